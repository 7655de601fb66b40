// SPDX-License-Identifier: BSL-1.0
// A user's program that needs the component tls.
#include "cowire/transports/tls.hpp"

#include <iostream>

int main() {
  const cowire::TlsClientContext context = cowire::TlsClientContext::system();
  std::cout << "a client that trusts whom the system trusts: " << context.settings().use_count()
            << '\n';
}
