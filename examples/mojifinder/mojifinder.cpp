// SPDX-License-Identifier: BSL-1.0
// Finds Unicode characters by the words of their names: a server for telnet and netcat, after the
// one in Luciano Ramalho's "Fluent Python", chapter 21.
//
//     mojifinder [host] [port]          defaults: 127.0.0.1 2323; port 0: any free one

#include "../arguments.hpp"
#include "char_index.hpp"
#include "cowire/cowire.hpp"

#include <cstddef>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// [finder]
class Finder {
 public:
  explicit Finder(mojifinder::CharIndex index) : index_(std::move(index)) {}

  void service_init(cowire::Service& service) {
    for (const cowire::Endpoint& endpoint : service.local_endpoints()) {
      std::printf("Serving on %s. Hit CTRL-C to stop.\n", to_string(endpoint).c_str());
    }
    service.at_exit([] { std::puts("Server shut down."); });
  }

  cowire::Generator<std::string> handle(cowire::Peer<std::string>& client) {
    const std::string peer = to_string(client.remote_endpoint());
    client.send_packet("?> ");
    const auto line = co_yield cowire::as_result;
    if (!line) {  // An overlong line, for instance.
      client.send_packet(std::string(line.error().what()) + "\r\n");
      co_return;
    }
    const std::string_view query = mojifinder::strip(*line);
    std::printf(" From %s: '%s'\n", peer.c_str(),
                cowire::printable(cowire::bytes_of(query)).c_str());
    if (query.empty()) {
      co_return;  // A new generator starts, and prompts again.
    }
    if (is_goodbye(query)) {
      client.close();
      co_return;
    }
    const std::vector<char32_t> found = index_.search(query);
    std::string text;
    for (char32_t character : found) {
      text.clear();
      index_.append_result_line(text, character);
      co_await client.send_packet(text);  // Waits while the peer reads more slowly than this.
    }
    co_await client.send_packet(mojifinder::status_line(found.size()));
    std::printf("   To %s: %zu results.\n", peer.c_str(), found.size());
  }

  void on_disconnection(cowire::Peer<std::string>& client) {
    std::printf("Close %s.\n", to_string(client.remote_endpoint()).c_str());
  }

 private:
  // Telnet sends control bytes when its user wants to leave: no text, or no UTF-8.
  static bool is_goodbye(std::string_view query) {
    return static_cast<unsigned char>(query.front()) < 32 || !mojifinder::is_valid_utf8(query);
  }

  mojifinder::CharIndex index_;
};
// [/finder]

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);  // Each line at once, also into a pipe.
  try {
    const auto [host, port] = examples::host_and_port(argc, argv, "127.0.0.1", 2323);
    std::puts("Building index.");
    Finder finder(mojifinder::CharIndex::from_file(MOJIFINDER_DATA));

    // Requests are lines, answers are text of any form.
    cowire::LineOptions lines;
    lines.accept_crlf = true;
    lines.last_line = cowire::LastLine::deliver;
    const cowire::Stapled serializer{cowire::Raw<>{}, cowire::LineSerializer<>{lines}};
    cowire::serve(host, port, cowire::StreamProtocol{serializer}, std::move(finder));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "mojifinder: %s\n", error.what());
    return 1;
  }
}
