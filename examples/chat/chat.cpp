// SPDX-License-Identifier: BSL-1.0
// A chat for telnet and netcat.
//
//     chat [host] [port]                defaults: 127.0.0.1 2424; port 0: any free one
//
// The first line is one's name. Then each line goes to all others, except
//
//     /who               who is here?
//     /msg NAME TEXT     to one only
//     /quit

#include "../arguments.hpp"
#include "cowire/cowire.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace {

using Guest = cowire::Peer<std::string>;
using Lines = cowire::Generator<std::string>;

// [log]
// Adds whose doing it is, wherever it is called.
void log(const std::string& text) {
  const cowire::PeerContext* const peer = cowire::current_peer();
  const std::string who = peer != nullptr ? to_string(peer->remote_endpoint()) + " " : "";
  std::printf("%s%s\n", who.c_str(), text.c_str());
}
// [/log]

/// Cuts the first word off a text.
std::string_view take_word(std::string_view& text) {
  const std::size_t end = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 20 && text.front() != '/' &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return c > 32 && c != 127; });
}

// [chat]
class Chat {
 public:
  // Each guest has one, for as long as the connection lives.
  struct PeerState {
    std::string name;
  };

  void service_init(cowire::Service& service) {
    for (const cowire::Endpoint& endpoint : service.local_endpoints()) {
      log("Chat on " + to_string(endpoint));
    }
    service.at_exit([] { log("Closed."); });
  }

  // Asks until there is a name. A guest who leaves before has never been here.
  Lines on_connection(Guest& guest, PeerState& state) {
    std::string name;
    guest.send_packet("Your name?");
    while (name.empty()) {
      const auto line = co_yield cowire::as_result(std::chrono::minutes(1));
      if (!line) {  // Too long, or too late.
        guest.send_packet(line.error().what());
        guest.close();
        co_return;
      }
      if (!is_name(*line)) {
        guest.send_packet("A name is one word of at most 20 bytes. Your name?");
      } else if (by_name_.contains(*line)) {
        guest.send_packet(*line + " is here already. Your name?");
      } else {
        name = *line;
      }
    }
    tell_others(guest, "* " + name + " came in");
    room_.join(guest);
    guest.send_packet("Welcome. " + count());
    log("is " + name);
    by_name_.emplace(name, guest);  // Last: if anything is thrown, on_disconnection is not called.
    state.name = name;
  }

  Lines handle(Guest& guest, PeerState& state) {
    const auto received = co_yield cowire::as_result;
    if (!received) {  // An overlong line, for instance.
      guest.send_packet(received.error().what());
      co_return;
    }
    std::string_view line = *received;
    if (!line.starts_with('/')) {
      tell_others(guest, state.name + ": " + *received);
      co_return;
    }
    const std::string_view command = take_word(line);
    if (command == "/who") {
      tell_names(guest);
    } else if (command == "/msg") {
      tell_one(guest, state.name, line);
    } else if (command == "/quit") {
      guest.send_packet("Bye.");
      guest.close();
    } else {
      guest.send_packet("There are /who, /msg NAME TEXT and /quit.");
    }
  }

  void on_disconnection(Guest& guest, PeerState& state) {
    if (state.name.empty()) {
      return;
    }
    by_name_.erase(state.name);
    room_.leave(guest);
    tell_others(guest, "* " + state.name + " left");
    log("was " + state.name);
  }

 private:
  // Whoever does not read is cut off here, and leaves.
  void tell_others(const Guest& guest, const std::string& text) { room_.broadcast(text, guest); }

  void tell_one(Guest& guest, const std::string& from, std::string_view text) {
    const auto to = by_name_.find(std::string(take_word(text)));
    if (to == by_name_.end()) {
      guest.send_packet("Nobody has that name.");
    } else if (!to->second.is_slow()) {
      try {
        to->second.send_packet(from + " (to you): " + std::string(text));
      } catch (const cowire::Error&) {  // That connection is broken; its guest is about to leave.
      }
    }
  }

  void tell_names(Guest& guest) {
    std::string names;
    for (const auto& [name, other] : by_name_) {
      names += " " + name;
    }
    guest.send_packet(count() + names);
  }

  std::string count() const {
    return std::to_string(room_.size()) + (room_.size() == 1 ? " guest:" : " guests:");
  }

  cowire::PeerGroup<std::string> room_{cowire::SlowReader::close};
  std::map<std::string, Guest, std::less<>> by_name_;
};
// [/chat]

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);  // Each line at once, also into a pipe.
  try {
    const auto [host, port] = examples::host_and_port(argc, argv, "127.0.0.1", 2424);
    cowire::LineOptions lines;
    lines.accept_crlf = true;
    cowire::serve(host, port, cowire::StreamProtocol{cowire::LineSerializer<>{lines}}, Chat{});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "chat: %s\n", error.what());
    return 1;
  }
}
