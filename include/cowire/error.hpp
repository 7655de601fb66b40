// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/bytes.hpp"

#include <array>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace cowire {

/// What went wrong. Each value has one message, which ends with what to do about it.
///
/// The table `detail::errc_table` below holds the texts. Failures of the operating system keep
/// their own codes (`asio::error::connection_reset`, ...).
enum class errc {
  end_of_stream = 1,  ///< The peer ended the stream between two packets.
  truncated,          ///< The stream was cut: inside a packet, or without TLS's own end.
  timeout,            ///< The time limit of an operation passed. The connection is as it was.
  peer_timeout,       ///< The peer was slower than the limits allow: the connection was given up.
  cancelled,          ///< The operation was cancelled, usually by a shutdown.
  closed,             ///< This side closed the connection.
  too_large,          ///< A packet, received or sent, is over its limit.
  malformed,          ///< The received bytes are not a packet of the protocol.
  not_sendable,       ///< The packet cannot be written in this format.
  output_limit,       ///< The peer does not read and the output queue is full.
  serializer_failed,  ///< A serializer or converter failed on received bytes: a mistake in it.
  busy,               ///< An operation of this kind is already under way.
  not_connected,      ///< The client has no connection.
  already_connected,  ///< The client has a connection already.
  connect_timeout,    ///< Connecting took longer than its time limit.
  connect_failed,     ///< No address of the host could be connected.
  handshake_failed,   ///< The peers do not agree on TLS, or do not trust each other.
  listen_failed,      ///< An address could not be listened on.
  already_serving,    ///< The server is being served already.
  server_closed,      ///< The server was closed for good.
  too_many_descriptors,  ///< More descriptors came with a packet than are taken.
  invalid_argument,      ///< An argument is outside its range.
};

/// Questions that one asks of an error code, whoever made it: `code == condition::usable`.
enum class condition {
  disconnected = 1,  ///< The connection is over: ended, cut, reset, lost, given up or closed.
  bad_peer,          ///< The peer sent what the protocol does not allow.
  usable,            ///< The connection lives on: go on receiving.
};

namespace detail {

struct ErrcText {
  errc code;
  std::string_view summary;
  std::string_view remedy;
};

inline constexpr std::array errc_table{
    ErrcText{errc::end_of_stream, "the peer ended the stream",
             "nothing is wrong, there is nothing more to receive"},
    ErrcText{errc::truncated, "the stream was cut",
             "treat the last packet as lost: the peer stopped or crashed while sending it"},
    ErrcText{errc::timeout, "the time limit passed",
             "a receive has lost nothing: receive again, raise the limit, or close"},
    ErrcText{errc::peer_timeout, "the peer was too slow, and the connection was given up",
             "raise idle_timeout, frame_timeout or send_timeout if such peers are to be served"},
    ErrcText{errc::cancelled, "the operation was cancelled",
             "finish soon: the server is shutting down or the caller gave up"},
    ErrcText{errc::closed, "the connection is closed on this side",
             "do not send or receive after close()"},
    ErrcText{errc::too_large, "the packet is larger than the limit",
             "raise the limit of the serializer on both sides, or send smaller packets"},
    ErrcText{errc::malformed, "the bytes are not a packet of this protocol",
             "check that both sides use the same serializer and options"},
    ErrcText{errc::not_sendable, "the packet cannot be written in this format",
             "change the packet or use a serializer that can carry it"},
    ErrcText{errc::output_limit, "the peer does not read and the output queue is full",
             "await send_packet() or drain() for long answers, or raise output_limit"},
    ErrcText{errc::serializer_failed, "the serializer threw an unexpected exception",
             "fix the serializer or converter: bad data must be reported as an Error"},
    ErrcText{errc::busy, "an operation of this kind is already under way",
             "await it before starting another one"},
    ErrcText{errc::not_connected, "the client is not connected", "await connect() first"},
    ErrcText{errc::already_connected, "the client is connected already",
             "close() it first, or use another client"},
    ErrcText{errc::connect_timeout, "no connection could be made in time",
             "check the host and the network, or raise the time limit of connect()"},
    ErrcText{errc::connect_failed, "no connection could be made",
             "check the host and port, and that a server is listening there"},
    ErrcText{errc::handshake_failed, "the TLS handshake failed",
             "check the certificates on both sides, and that the peer speaks TLS 1.2 or newer"},
    ErrcText{errc::listen_failed, "cannot listen",
             "choose another address or port, or stop the program that uses it"},
    ErrcText{errc::already_serving, "the server is being served already",
             "call serve_forever() once at a time"},
    ErrcText{errc::server_closed, "the server was closed", "make a new Server"},
    ErrcText{errc::too_many_descriptors, "more descriptors came than are taken",
             "raise receive_descriptors of the listener or connector, or the limit of open files"},
    ErrcText{errc::invalid_argument, "an argument is outside its range",
             "see the documentation of the function"},
};

inline const ErrcText* find_errc_text(int value) noexcept {
  for (const ErrcText& entry : errc_table) {
    if (static_cast<int>(entry.code) == value) {
      return &entry;
    }
  }
  return nullptr;
}

class ErrcCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "cowire"; }

  std::string message(int value) const override {
    const ErrcText* text = find_errc_text(value);
    if (text == nullptr) {
      return "unknown cowire error " + std::to_string(value);
    }
    return std::string(text->summary) + ": " + std::string(text->remedy);
  }

  std::error_condition default_error_condition(int value) const noexcept override {
    switch (static_cast<errc>(value)) {
      case errc::timeout:
      case errc::connect_timeout:
      case errc::peer_timeout: return std::errc::timed_out;
      case errc::cancelled: return std::errc::operation_canceled;
      case errc::invalid_argument: return std::errc::invalid_argument;
      default: return {value, *this};
    }
  }
};

std::error_code as_system_error(const std::error_code& code) noexcept;

class ConditionCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "cowire.condition"; }

  std::string message(int value) const override {
    switch (static_cast<condition>(value)) {
      case condition::disconnected: return "the connection is over";
      case condition::bad_peer: return "the peer sent what the protocol does not allow";
      case condition::usable: return "the connection lives on";
    }
    return "unknown cowire condition " + std::to_string(value);
  }

  bool equivalent(const std::error_code& code, int value) const noexcept override;
};

}  // namespace detail

/// The category of `errc`. Its name is "cowire".
inline const std::error_category& error_category() noexcept {
  static const detail::ErrcCategory category;
  return category;
}

/// The category of `condition`.
inline const std::error_category& condition_category() noexcept {
  static const detail::ConditionCategory category;
  return category;
}

inline std::error_code make_error_code(errc code) noexcept {
  return {static_cast<int>(code), error_category()};
}

inline std::error_condition make_error_condition(condition value) noexcept {
  return {static_cast<int>(value), condition_category()};
}

}  // namespace cowire

template <>
struct std::is_error_code_enum<cowire::errc> : std::true_type {};

template <>
struct std::is_error_condition_enum<cowire::condition> : std::true_type {};

namespace cowire {

// The same code in a form that can be compared to a std::errc. Asio's category of the system's
// errors knows none, but has the system's values.
inline std::error_code detail::as_system_error(const std::error_code& code) noexcept {
  if (std::string_view(code.category().name()) == "asio.system") {
    return {code.value(), std::system_category()};
  }
  return code;
}

inline bool detail::ConditionCategory::equivalent(const std::error_code& code,
                                                  int value) const noexcept {
  switch (static_cast<condition>(value)) {
    case condition::disconnected: {
      if (code.category() == cowire::error_category()) {
        return code == errc::end_of_stream || code == errc::truncated ||
               code == errc::peer_timeout || code == errc::closed || code == errc::output_limit;
      }
      const std::error_code system = as_system_error(code);
      for (const std::errc lost :
           {std::errc::connection_reset, std::errc::connection_aborted, std::errc::broken_pipe,
            std::errc::not_connected, std::errc::timed_out, std::errc::host_unreachable,
            std::errc::network_unreachable, std::errc::network_down, std::errc::network_reset}) {
        if (system == lost) {
          return true;
        }
      }
      return false;
    }
    case condition::bad_peer:
      return code == errc::malformed || code == errc::too_large ||
             code == errc::too_many_descriptors;
    case condition::usable:
      return code == errc::malformed || code == errc::too_large || code == errc::timeout ||
             code == errc::not_sendable || code == errc::serializer_failed || code == errc::busy ||
             code == errc::invalid_argument || code == errc::too_many_descriptors;
  }
  return false;
}

/// What is known about an error beside its code. Empty and absent members say nothing.
struct ErrorContext {
  std::string detail;                  ///< What exactly was wrong: "no separator in 65537 bytes".
  std::optional<std::uint64_t> size;   ///< The size that was too large or wrong, in bytes.
  std::optional<std::uint64_t> limit;  ///< The limit that it broke, in bytes.
  std::optional<std::uint64_t> position;  ///< The first wrong byte, counted from 0.
  std::string field;                      ///< The field that was wrong: "lines[3].price".
  std::optional<std::chrono::nanoseconds> time_limit;  ///< The time limit that passed.
  std::string peer;                                    ///< The other side's address.
  std::string first_bytes;   ///< The first bytes of the offending input, unescaped.
  std::exception_ptr cause;  ///< The exception that this error reports.
};

namespace detail {

inline constexpr std::string_view tls_hello = "a TLS ClientHello";

// In the largest unit that has no fraction: "30 s", "250 ms".
inline std::string text_of(std::chrono::nanoseconds time) {
  const auto count = time.count();
  const std::pair<std::int64_t, const char*> units[] = {
      {1'000'000'000, " s"}, {1'000'000, " ms"}, {1'000, " us"}, {1, " ns"}};
  for (const auto& [size, name] : units) {
    if (count % size == 0) {
      return std::to_string(count / size) + name;
    }
  }
  return {};
}

}  // namespace detail

/// Names the protocol that some bytes look like, when a peer seems to have called the wrong port;
/// empty if they look like nothing known.
inline std::string_view likely_protocol(Bytes first) noexcept {
  const std::string_view text = text_of(first);
  for (std::string_view verb : {"GET ", "POST ", "HEAD ", "PUT ", "OPTIONS ", "CONNECT "}) {
    if (text.starts_with(verb)) {
      return "an HTTP request";
    }
  }
  if (text.starts_with("PRI * HTTP/2")) {
    return "an HTTP/2 request";
  }
  if (text.starts_with("PROXY ") ||
      text.starts_with(std::string_view("\r\n\r\n\0\r\nQUIT\n", 12))) {
    return "a PROXY protocol header";
  }
  if (text.starts_with("SSH-")) {
    return "an SSH client";
  }
  if (text.size() >= 3 && text[0] == '\x16' && text[1] == '\x03' &&
      static_cast<unsigned char>(text[2]) <= 4) {
    return detail::tls_hello;
  }
  return {};
}

/// The one exception of cowire: an error code with its context.
///
/// `what()` is one line: what happened, the known context in parentheses, and what to do.
///
///     the packet is larger than the limit (size 70000 bytes, limit 65536 bytes, peer
///     127.0.0.1:5000): raise the limit of the serializer on both sides, or send smaller packets
///
/// Copying it is cheap and does not throw.
class Error : public std::system_error {
 public:
  explicit Error(std::error_code code, ErrorContext context = {})
      : std::system_error(code), data_(std::make_shared<const Data>(code, std::move(context))) {}

  /// `detail` says what exactly is wrong: it takes the place of the code's own text.
  template <std::convertible_to<std::string> Detail>  // Or braces could mean it, too.
  Error(std::error_code code, Detail&& detail) : Error(code, only(std::forward<Detail>(detail))) {}

  const char* what() const noexcept override { return data_->what.c_str(); }

  /// Everything that is known beside the code.
  const ErrorContext& context() const noexcept { return data_->context; }

  /// The same error, with the peer's address and the input that led to it added if missing.
  Error with_peer(std::string_view peer, Bytes input = {}) const {
    ErrorContext context = data_->context;
    if (context.peer.empty()) {
      context.peer = peer;
    }
    if (context.first_bytes.empty()) {
      context.first_bytes = text_of(input.first(input.size() < 32 ? input.size() : 32));
    }
    return Error(code(), std::move(context));
  }

  /// The same error, in a part of something larger: "price" in "lines[3]" is "lines[3].price".
  Error in_field(std::string_view name) const {
    ErrorContext context = data_->context;
    if (!context.field.empty() && context.field.front() != '[') {
      context.field.insert(0, 1, '.');
    }
    context.field.insert(0, name);
    return Error(code(), std::move(context));
  }

 private:
  struct Data {
    Data(std::error_code code, ErrorContext given) : context(std::move(given)) {
      const detail::ErrcText* text = code.category() == cowire::error_category()
                                         ? detail::find_errc_text(code.value())
                                         : nullptr;
      if (!context.detail.empty()) {
        what = context.detail;
        if (text == nullptr) {
          what += ": " + code.message();
        }
      } else {
        what = text != nullptr ? std::string(text->summary) : code.message();
      }
      std::string notes;
      auto note = [&notes](const std::string& one) {
        notes += notes.empty() ? "" : ", ";
        notes += one;
      };
      if (!context.field.empty()) {
        note("field " + context.field);
      }
      if (context.position) {
        note("byte " + std::to_string(*context.position));
      }
      if (context.size) {
        note("size " + std::to_string(*context.size) + " bytes");
      }
      if (context.limit) {
        note("limit " + std::to_string(*context.limit) + " bytes");
      }
      if (context.time_limit) {
        note("time limit " + detail::text_of(*context.time_limit));
      }
      if (!context.peer.empty()) {
        note("peer " + context.peer);
      }
      const Bytes first = bytes_of(context.first_bytes);
      if (!first.empty()) {
        note("first bytes \"" + printable(first) + '"');
      }
      if (!notes.empty()) {
        what += " (" + notes + ")";
      }
      if (const std::string_view likely = likely_protocol(first); !likely.empty()) {
        what += ": this looks like " + std::string(likely) + ", is it meant for another port?";
      } else if (text != nullptr) {
        what += ": " + std::string(text->remedy);
      }
    }

    ErrorContext context;
    std::string what;
  };

  static ErrorContext only(std::string detail) {
    ErrorContext context;
    context.detail = std::move(detail);
    return context;
  }

  std::shared_ptr<const Data> data_;
};

}  // namespace cowire
