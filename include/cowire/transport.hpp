// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/bytes.hpp"
#include "cowire/error.hpp"
#include "cowire/task.hpp"

#include <asio/buffer.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

namespace cowire {

class Ancillary;

/// One end of a connection as text: an address or path, and a port where there is one.
struct Endpoint {
  std::string address;     ///< "127.0.0.1", "::1", "/run/my.sock", "memory".
  std::uint16_t port = 0;  ///< 0 if this kind of endpoint has no port.

  bool operator==(const Endpoint&) const = default;
};

/// "127.0.0.1:9000", "[::1]:9000", "/run/my.sock"; "(unknown)" for an empty endpoint. Of a path,
/// which is the peer's choice, control characters are escaped (`\x0a`): nobody writes lines of his
/// own into a log.
inline std::string to_string(const Endpoint& endpoint) {
  if (endpoint.address.empty()) {
    return "(unknown)";
  }
  if (endpoint.port == 0) {
    constexpr char hex[] = "0123456789abcdef";
    std::string path;
    for (const char byte : endpoint.address) {
      const auto value = static_cast<unsigned char>(byte);
      if (value < 0x20 || value == 0x7f) {
        path += {'\\', 'x', hex[value >> 4U], hex[value & 0xfU]};
      } else {
        path += byte;
      }
    }
    return path;
  }
  const bool v6 = endpoint.address.find(':') != std::string::npos;
  return (v6 ? "[" + endpoint.address + "]" : endpoint.address) + ":" +
         std::to_string(endpoint.port);
}

/// Options for the sockets of a transport. A transport ignores those that mean nothing to it.
struct SocketOptions {
  bool no_delay = true;    ///< TCP_NODELAY: small packets leave at once.
  bool keep_alive = true;  ///< SO_KEEPALIVE: the kernel notices peers that vanished.
};

namespace detail {

// Stands for any completion handler where a concept asks whether an operation exists.
struct AnyHandler {
  void operator()(std::error_code, std::size_t = 0) const {}
};

}  // namespace detail

/// A connected stream of bytes in both directions. It knows nothing of packets.
///
/// For a transport `t`, an Asio buffer `b`, a completion token `k`:
///
///     expression                result       meaning
///     T::executor_type          type
///     t.get_executor()                       where completions run
///     t.async_read_some(b, k)   (ec, size)   at least one byte, or asio::error::eof
///     t.async_write_some(b, k)  (ec, size)   at least one byte
///     t.shutdown_send(ec)                    no more bytes will follow: the peer sees the end
///     t.close()                              releases the resource; never throws; may be repeated
///     t.abort()                              close() so that the peer sees an error if possible
///     t.local_endpoint()        Endpoint     may be empty once closed
///     t.remote_endpoint()       Endpoint     also after the connection broke
///     t.native_handle()         int          the socket, or -1 if there is none
///     t.apply(SocketOptions)                 best effort
///
/// Optional, used where they exist:
///
///     t.try_write_some(b, ec)   size         writes what fits without waiting, or sets
///                                            asio::error::would_block: saves a turn of the loop
///     t.async_wait_read(k)      (ec)         waits until reading makes sense, without a buffer:
///     t.cancel()                             and ends what is under way (operation_aborted): the
///                                            two let idle connections own no memory
///     t.async_shutdown_send(k)  (ec)         shutdown_send(), complete when the end has been sent
///     t.async_handshake(k)      (ec)         to be done before anything is read or written
///     t.async_start_tls(k)      (ec)         the same later, between reads and writes that are
///                                            not under TLS, and those that are
///     t.handshake_error(ec)     Error        why that failed, in words
///     t.tls_info()              TlsInfo      what TLS says of the connection
///     t.try_write_with(b, a, ec)  size       try_write_some, with an Ancillary at the first byte
///     t.async_wait_write(k)     (ec)         waits until writing makes sense
///     t.receive_descriptors()   size         how many may come with a packet; 0: none are taken
///     t.take_ancillary()                     std::optional<Ancillary>: what came with the last
///                                            read; nothing if some of it was lost
///
/// At most one read and one write are under way at a time. What try_write_some did not take is what
/// the next write begins with. What is under way when the transport is
/// closed, or destroyed after that, ends with an error later: it must not use the transport then.
template <class T>
concept Transport = std::move_constructible<T> &&
                    requires(T& t, const T& c, asio::mutable_buffer in, asio::const_buffer out,
                             std::error_code& ec, const SocketOptions& options) {
                      typename T::executor_type;
                      t.get_executor();
                      t.async_read_some(in, detail::AnyHandler{});
                      t.async_write_some(out, detail::AnyHandler{});
                      t.shutdown_send(ec);
                      t.close();
                      t.abort();
                      { c.local_endpoint() } -> std::same_as<Endpoint>;
                      { c.remote_endpoint() } -> std::same_as<Endpoint>;
                      { t.native_handle() } -> std::convertible_to<int>;
                      t.apply(options);
                    };

/// Whether a transport can write without waiting.
template <class T>
concept WritesDirectly = requires(T& t, asio::const_buffer out, std::error_code& ec) {
  { t.try_write_some(out, ec) } -> std::same_as<std::size_t>;
};

/// Whether a transport can wait for bytes without a buffer to put them in.
template <class T>
concept WaitsForRead = requires(T& t) {
  t.async_wait_read(detail::AnyHandler{});
  t.cancel();
};

/// Whether the end of the stream is sent as bytes are, which may have to wait.
template <class T>
concept SendsItsEnd = requires(T& t) { t.async_shutdown_send(detail::AnyHandler{}); };

/// Whether both sides must agree before anything is read or written.
template <class T>
concept NeedsHandshake = requires(T& t, const T& c, std::error_code ec) {
  t.async_handshake(detail::AnyHandler{});
  { c.handshake_error(ec) } -> std::same_as<Error>;
};

/// Whether TLS may be started later.
template <class T>
concept StartsTls = WaitsForRead<T> && requires(T& t, const T& c, std::error_code ec) {
  t.async_start_tls(detail::AnyHandler{});
  { c.handshake_error(ec) } -> std::same_as<Error>;
  { c.has_started_tls() } -> std::same_as<bool>;
};

/// Whether open files can go with the bytes, as cowire/ancillary.hpp has them.
template <class T>
concept CarriesAncillary =
    WritesDirectly<T> && requires(T& t, const T& c, asio::const_buffer out,
                                  const Ancillary& ancillary, std::error_code& ec) {
      { t.try_write_with(out, ancillary, ec) } -> std::same_as<std::size_t>;
      t.async_wait_write(detail::AnyHandler{});
      { c.receive_descriptors() } -> std::same_as<std::size_t>;
      t.take_ancillary();
    };

/// Where connections come from.
///
/// For a listener `l`:
///
///     expression             result           meaning
///     L::transport_type      type             a Transport
///     l.get_executor()
///     l.accept()             Task<transport>  the next connection; throws std::system_error
///     l.is_open()            bool
///     l.cancel()                              ends a waiting accept (operation_aborted)
///     l.close()                               cancels, and the address is free again; may return
///                                             a std::error_code, which is logged
///     l.local_endpoint()     Endpoint         with the port that the system chose; closed too
///     l.native_handle()      int              the socket, or -1; for options only
template <class L>
concept Listener = Transport<typename L::transport_type> && std::move_constructible<L> &&
                   requires(L& l, const L& c) {
                     l.get_executor();
                     { l.accept() } -> std::same_as<Task<typename L::transport_type>>;
                     { c.is_open() } -> std::same_as<bool>;
                     l.cancel();
                     l.close();
                     { c.local_endpoint() } -> std::same_as<Endpoint>;
                     { l.native_handle() } -> std::same_as<int>;
                   };

}  // namespace cowire
