// SPDX-License-Identifier: BSL-1.0
// Takes mail by SMTP (RFC 5321) and prints it. It begins without TLS, which clients then ask for by
// STARTTLS (RFC 3207), and takes no mail before that.
//
//     mail_server CERTIFICATE KEY [host] [port]
//
// The first two are PEM files; defaults: 127.0.0.1 2525.

#include "../arguments.hpp"
#include "cowire/cowire.hpp"
#include "cowire/transports/start_tls.hpp"

#include <asio/io_context.hpp>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

using Client = cowire::Peer<std::string>;

// Whether a line is this command, whatever its letters' case.
bool is(std::string_view line, std::string_view command) {
  return line.size() >= command.size() &&
         std::equal(command.begin(), command.end(), line.begin(), [](char a, char b) {
           return a == static_cast<char>(std::toupper(static_cast<unsigned char>(b)));
         });
}

// For the terminal, which would obey what senders put behind an escape character.
std::string shown(std::string text) {
  const auto is_control = [](unsigned char c) { return (c < 0x20 && c != '\n') || c == 0x7f; };
  std::replace_if(text.begin(), text.end(), is_control, '?');
  return text;
}

struct Mailbox {
  static constexpr std::size_t most_bytes = 1'000'000;
  static constexpr std::size_t most_recipients = 32'000;  // in bytes: more than a hundred of them

  // What has been said of the mail to come.
  struct PeerState {
    std::string sender;
    std::string recipients;
  };

  void on_connection(Client& client) { client.send_packet("220 ready"); }

  cowire::Generator<std::string> handle(Client& client, PeerState& mail) {
    const cowire::Result<std::string> command = co_yield cowire::as_result;
    if (!command) {
      client.send_packet("500 line too long");
    } else if (is(*command, "EHLO")) {
      mail = {};
      if (client.tls()) {
        client.send_packet("250 hello");
      } else {
        client.send_packet("250-hello");
        client.send_packet("250 STARTTLS");
      }
      // [start_tls]
    } else if (is(*command, "STARTTLS") && !client.tls()) {
      client.send_packet("220 go ahead");
      co_await client.start_tls();
      mail = {};  // That may have been somebody else's word.
      // [/start_tls]
    } else if (is(*command, "QUIT")) {
      client.send_packet("221 bye");
      client.close();
    } else if (is(*command, "NOOP")) {
      client.send_packet("250 ok");
    } else if (is(*command, "RSET")) {
      mail = {};
      client.send_packet("250 ok");
    } else if (!client.tls()) {
      client.send_packet("530 must issue a STARTTLS command first");
    } else if (is(*command, "MAIL FROM:")) {
      mail.sender = command->substr(10);
      client.send_packet("250 ok");
    } else if (is(*command, "RCPT TO:") && mail.recipients.size() > most_recipients) {
      client.send_packet("452 too many recipients");
    } else if (is(*command, "RCPT TO:") && !mail.sender.empty()) {
      mail.recipients += " " + command->substr(8);
      client.send_packet("250 ok");
    } else if (is(*command, "DATA") && !mail.recipients.empty()) {
      client.send_packet("354 end with a line that is a dot");
      std::string text;
      bool fits = true;
      for (;;) {
        const std::string line = co_yield std::chrono::minutes(3);
        if (line == ".") {
          break;
        }
        fits = fits && text.size() + line.size() <= most_bytes;
        if (fits) {
          text += line.substr(line.starts_with('.') ? 1 : 0) + '\n';
        }
      }
      if (fits) {
        std::printf("from %s to%s: %zu bytes\n%s", shown(mail.sender).c_str(),
                    shown(mail.recipients).c_str(), text.size(), shown(text).c_str());
      }
      mail = {};
      client.send_packet(fits ? "250 taken" : "552 too much mail");
    } else {
      client.send_packet("503 not now");
    }
  }
};

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);  // Each line at once, also into a pipe.
  try {
    if (argc < 3) {
      std::fprintf(stderr, "usage: mail_server CERTIFICATE KEY [host] [port]\n");
      return 2;
    }
    const auto [host, port] = examples::host_and_port(argc - 2, argv + 2, "127.0.0.1", 2525);
    const cowire::TlsServerContext tls(cowire::TlsIdentity::from_files(argv[1], argv[2]));
    cowire::LineOptions lines;
    lines.ending = cowire::LineEnding::crlf;
    lines.limit = 1'000;

    asio::io_context io(1);
    cowire::ServerOptions options;
    options.logger = cowire::Logger(cowire::LogLevel::info, &cowire::Logger::print_to_stderr);
    cowire::Server server{io.get_executor(),
                          cowire::StreamProtocol{cowire::LineSerializer<>{lines}}, Mailbox{},
                          options};
    // [listen_start_tls]
    for (auto& listener : cowire::listen_start_tls(io.get_executor(), host, port, tls)) {
      server.add_listener(std::move(listener));
    }
    // [/listen_start_tls]
    cowire::serve(io, server);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "mail_server: %s\n", error.what());
    return 1;
  }
}
