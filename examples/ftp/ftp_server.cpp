// SPDX-License-Identifier: BSL-1.0
// The front door of an FTP server: it knows all commands of RFC 959, and does two of them. After
// the tutorial of EasyNetwork.
//
//     ftp_server [host] [port]          defaults: 127.0.0.1 2121; port 0: any free one

#include "../arguments.hpp"
#include "cowire/cowire.hpp"
#include "ftp_packets.hpp"

#include <cstdio>
#include <exception>
#include <string>
#include <utility>

using ftp::FtpReply;
using ftp::FtpRequest;

// Lines in both directions, FtpRequests in one of them and FtpReplies in the other. Ours end as the
// standard says; those of people who type into netcat are understood too.
auto ftp_protocol() {
  cowire::LineOptions sent;
  sent.ending = cowire::LineEnding::crlf;
  cowire::LineOptions received;
  received.accept_crlf = true;
  received.limit = 512;
  return cowire::StreamProtocol{
      cowire::Stapled{cowire::LineSerializer<>{sent}, cowire::LineSerializer<>{received}},
      cowire::make_converter<FtpReply, FtpRequest>(ftp::line_from_reply, ftp::request_from_line)};
}

struct FtpService {
  void on_connection(cowire::Peer<FtpReply>& client) {
    client.send_packet({220, "Service ready for new user."});
  }

  cowire::Generator<FtpRequest> handle(cowire::Peer<FtpReply>& client) {
    const cowire::Result<FtpRequest> request = co_yield cowire::as_result;
    if (!request) {  // No such command, or a line that is too long.
      std::printf("%s\n", request.error().what());
      client.send_packet({500, "Syntax error, command unrecognized."});
      co_return;
    }
    const std::string name(request->command.name);
    std::printf("%s sent %s\n", to_string(client.remote_endpoint()).c_str(), name.c_str());
    if (!request->is_complete()) {
      client.send_packet({501, "Syntax error in parameters or arguments."});
    } else if (name == "NOOP") {
      client.send_packet({200, "Command okay."});
    } else if (name == "QUIT") {
      client.send_packet({221, "Service closing control connection."});
      client.close();
    } else {
      client.send_packet({502, "Command not implemented."});
    }
  }

  void on_disconnection(cowire::Peer<FtpReply>& client) {
    if (client.is_closing()) {
      return;  // It said QUIT.
    }
    try {  // It hung up, or this server stops or has failed.
      client.send_packet({421, "Service not available, closing control connection."});
    } catch (const cowire::Error&) {
      // Nobody is there any more to be told.
    }
  }
};

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);  // Each line at once, also into a pipe.
  try {
    const auto [host, port] = examples::host_and_port(argc, argv, "127.0.0.1", 2121);
    cowire::ServerOptions options;
    options.logger = cowire::Logger(cowire::LogLevel::info, &cowire::Logger::print_to_stderr);
    cowire::serve(host, port, ftp_protocol(), FtpService{}, options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ftp_server: %s\n", error.what());
    return 1;
  }
}
