// SPDX-License-Identifier: BSL-1.0
// A user's program that needs the components json, zlib, crypto and protobuf.
#include "cowire/serializers/cbor.hpp"
#include "cowire/serializers/compressed.hpp"
#include "cowire/serializers/digest.hpp"
#include "cowire/serializers/protobuf.hpp"

#include <google/protobuf/wrappers.pb.h>
#include <nlohmann/json.hpp>

#include <cstddef>
#include <iostream>
#include <vector>

int main() {
  const cowire::HmacSha256 serializer{cowire::Compressed<cowire::Cbor<>>{}, "a key"};
  const nlohmann::json packet = {{"a", {1, 2}}};
  const std::vector<std::byte> bytes = cowire::to_bytes(serializer, packet);
  google::protobuf::UInt32Value number;
  number.set_value(150);
  const std::size_t size =
      cowire::to_bytes(cowire::Protobuf<google::protobuf::UInt32Value>{}, number).size();
  const bool same = cowire::from_bytes(serializer, bytes) == packet && size == 3;
  std::cout << "CBOR, compressed and signed: " << bytes.size() << " bytes\n";
  return same ? 0 : 1;
}
