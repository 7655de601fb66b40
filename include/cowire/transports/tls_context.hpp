// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/detail/tls_engine.hpp"
#include "cowire/error.hpp"

#include <asio/buffer.hpp>
#include <asio/ip/address.hpp>
#include <asio/ssl/context.hpp>

#include <cerrno>
#include <cstddef>
#include <fstream>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace cowire {

/// Reads a PEM file whole. @throws Error invalid_argument, which names the file
inline std::string read_pem(const std::string& file) {
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (!in.is_open() || in.bad() || text.empty()) {
    ErrorContext context;
    const std::string why = errno != 0 ? std::generic_category().message(errno) : "it is empty";
    context.detail = "cannot read the PEM file " + file + " (" + why + ")";
    throw Error(errc::invalid_argument, std::move(context));
  }
  return text;
}

/// Who one is: a certificate chain, one's own certificate first, and its private key.
struct TlsIdentity {
  /// PEM texts; `password` decrypts the key, if it is encrypted. Checked when they are used.
  TlsIdentity(std::string chain_pem, std::string key_pem, std::string key_password = {})
      : chain(std::move(chain_pem)), key(std::move(key_pem)), password(std::move(key_password)) {}

  /// Of two PEM files, which are read now.
  /// @throws Error invalid_argument, which names the file that cannot be read
  static TlsIdentity from_files(const std::string& chain_file, const std::string& key_file,
                                std::string password = {}) {
    return {read_pem(chain_file), read_pem(key_file), std::move(password)};
  }

  std::string chain;
  std::string key;
  std::string password;
};

/// Whether a server asks its clients for certificates.
enum class ClientCertificates { none, optional, required };

/// What a TLS server may be told beside its identity.
struct TlsServerOptions {
  /// Default: none. A certificate that is not trusted is refused in both other cases.
  ClientCertificates client_certificates = ClientCertificates::none;

  /// The issuers of clients' certificates that are trusted, PEM. Needed with `client_certificates`.
  std::string client_ca = {};

  /// Application protocols (ALPN), the best first. A client that offers others only is refused;
  /// one that offers none is served. Default: none.
  std::vector<std::string> alpn = {};

  /// Takes a connection that was cut for one that was closed. For peers that never say that they
  /// end (close_notify); whoever can cut the connection can cut the conversation. Default: off.
  bool accept_missing_close_notify = false;
};

/// What a TLS client may be told.
struct TlsClientOptions {
  /// The issuers of servers' certificates that are trusted, PEM. Default: those of the system.
  std::string trusted_ca = {};

  /// One's own certificate, for servers that ask for one.
  std::optional<TlsIdentity> identity = {};

  /// Application protocols that are offered (ALPN), the best first. Default: none.
  std::vector<std::string> alpn = {};

  /// As in TlsServerOptions.
  bool accept_missing_close_notify = false;

  /// Talks to anybody who answers: nothing is checked, and the connection may end at an attacker.
  /// For experiments.
  bool dangerous_accept_any_certificate = false;
};

namespace detail {

// Everything that the connections of one context share.
struct TlsSettings {
  asio::ssl::context context;
  std::string alpn;  // As it goes over the wire: each name behind its length.
  bool accept_missing_close_notify;
};

[[noreturn]] inline void tls_misuse(const std::string& what, const std::error_code& ec = {}) {
  throw Error(errc::invalid_argument, what + (ec ? ": " + ec.message() : ""));
}

inline std::string alpn_wire(const std::vector<std::string>& names) {
  std::string wire;
  for (const std::string& name : names) {
    if (name.empty() || name.size() > 255) {
      tls_misuse("the name of an application protocol (ALPN) has 1 to 255 bytes");
    }
    wire += static_cast<char>(name.size());
    wire += name;
  }
  if (wire.size() > 65'535) {
    tls_misuse("the names of the application protocols (ALPN) have more than 65535 bytes");
  }
  return wire;
}

inline void use_identity(asio::ssl::context& context, const TlsIdentity& identity) {
  std::error_code ec;
  context.use_certificate_chain(asio::buffer(identity.chain), ec);
  if (ec) {
    tls_misuse("the certificate chain cannot be used", ec);
  }
  context.set_password_callback(
      [password = identity.password](std::size_t, asio::ssl::context::password_purpose) {
        return password;
      });
  context.use_private_key(asio::buffer(identity.key), asio::ssl::context::pem, ec);
  if (ec) {
    tls_misuse("the private key cannot be used with this certificate and password", ec);
  }
  if (SSL_CTX_check_private_key(context.native_handle()) != 1) {  // Of another type, say.
    tls_misuse("the private key cannot be used with this certificate: it is another one's");
  }
}

inline void trust(asio::ssl::context& context, const std::string& ca) {
  std::error_code ec;
  context.add_certificate_authority(asio::buffer(ca), ec);
  if (ec || ca.find("-----BEGIN") == std::string::npos) {
    tls_misuse("the certificates of the trusted issuers cannot be used", ec);
  }
}

inline std::shared_ptr<TlsSettings> make_settings(asio::ssl::context::method method,
                                                  const std::vector<std::string>& alpn,
                                                  bool accept_missing_close_notify) {
  auto settings = std::shared_ptr<TlsSettings>(
      new TlsSettings{asio::ssl::context(method), alpn_wire(alpn), accept_missing_close_notify});
  SSL_CTX* const native = settings->context.native_handle();
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  SSL_CTX_set_options(native, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
#ifdef SSL_OP_IGNORE_UNEXPECTED_EOF
  if (accept_missing_close_notify) {  // Else OpenSSL would not let us answer after it, either.
    SSL_CTX_set_options(native, SSL_OP_IGNORE_UNEXPECTED_EOF);
  }
#endif
  SSL_CTX_set_mode(native, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                               SSL_MODE_RELEASE_BUFFERS);
  return settings;
}

// Of the client's protocols the one that the server likes best (RFC 7301, section 3.2).
inline int select_alpn(SSL*, const unsigned char** chosen, unsigned char* size,
                       const unsigned char* offered, unsigned int offered_size, void* settings) {
  const std::string& mine = static_cast<const TlsSettings*>(settings)->alpn;
  const int found =
      SSL_select_next_proto(const_cast<unsigned char**>(chosen), size,
                            reinterpret_cast<const unsigned char*>(mine.data()),
                            static_cast<unsigned int>(mine.size()), offered, offered_size);
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

inline std::shared_ptr<TlsSettings> server_settings(const TlsIdentity& identity,
                                                    const TlsServerOptions& options) {
  auto settings = make_settings(asio::ssl::context::tls_server, options.alpn,
                                options.accept_missing_close_notify);
  SSL_CTX* const native = settings->context.native_handle();
  use_identity(settings->context, identity);
  SSL_CTX_set_options(native, SSL_OP_CIPHER_SERVER_PREFERENCE);
  constexpr std::string_view name = "cowire";  // Sessions are resumed within one context only.
  SSL_CTX_set_session_id_context(native, reinterpret_cast<const unsigned char*>(name.data()),
                                 static_cast<unsigned int>(name.size()));
  if (!settings->alpn.empty()) {
    SSL_CTX_set_alpn_select_cb(native, select_alpn, settings.get());
  }
  if (options.client_certificates != ClientCertificates::none) {
    if (options.client_ca.empty()) {
      tls_misuse("clients are asked for certificates, but no issuer is trusted: set client_ca");
    }
    trust(settings->context, options.client_ca);
    const bool required = options.client_certificates == ClientCertificates::required;
    SSL_CTX_set_verify(native, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                       nullptr);
  }
  return settings;
}

inline std::shared_ptr<TlsSettings> client_settings(const TlsClientOptions& options) {
  auto settings = make_settings(asio::ssl::context::tls_client, options.alpn,
                                options.accept_missing_close_notify);
  SSL_CTX* const native = settings->context.native_handle();
  if (options.identity) {
    use_identity(settings->context, *options.identity);
  }
  if (!settings->alpn.empty()) {
    SSL_CTX_set_alpn_protos(native, reinterpret_cast<const unsigned char*>(settings->alpn.data()),
                            static_cast<unsigned int>(settings->alpn.size()));
  }
  if (options.dangerous_accept_any_certificate) {
    SSL_CTX_set_verify(native, SSL_VERIFY_NONE, nullptr);
    return settings;
  }
  SSL_CTX_set_verify(native, SSL_VERIFY_PEER, nullptr);
  if (!options.trusted_ca.empty()) {
    trust(settings->context, options.trusted_ca);
  } else {
    std::error_code ec;
    settings->context.set_default_verify_paths(ec);
    if (ec) {
      tls_misuse("the system's trusted certificates cannot be used", ec);
    }
  }
  return settings;
}

inline SslPtr new_ssl(TlsSettings& settings) {
  SslPtr ssl(SSL_new(settings.context.native_handle()));
  if (ssl == nullptr) {
    throw std::bad_alloc();
  }
  return ssl;
}

inline TlsEngine server_engine(TlsSettings& settings) {
  SslPtr ssl = new_ssl(settings);
  SSL_set_accept_state(ssl.get());
  return TlsEngine(std::move(ssl));
}

// A server's name as certificates have it: without the dot of a fully qualified one. What OpenSSL
// would take for "any name", or cut short, is refused.
inline std::string_view checked_server_name(std::string_view name) {
  if (name.ends_with('.')) {
    name.remove_suffix(1);
  }
  if (name.empty() || name.front() == '.' || name.find('\0') != std::string_view::npos) {
    tls_misuse(
        "\"" + printable(bytes_of(name)) +
        "\" is no name of a server: give the host name, or the address, that its certificate "
        "must have");
  }
  return name;
}

// For the server of this name or address, which its certificate must have (RFC 9525).
inline TlsEngine client_engine(TlsSettings& settings, std::string_view server_name) {
  const std::string name(checked_server_name(server_name));
  SslPtr ssl = new_ssl(settings);
  SSL_set_connect_state(ssl.get());
  X509_VERIFY_PARAM* const wanted = SSL_get0_param(ssl.get());
  std::error_code no_address;
  const asio::ip::address address = asio::ip::make_address(name, no_address);
  bool is_set = false;
  if (no_address) {
    X509_VERIFY_PARAM_set_hostflags(
        wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    is_set = X509_VERIFY_PARAM_set1_host(wanted, name.data(), name.size()) == 1 &&
             SSL_set_tlsext_host_name(ssl.get(), name.c_str()) == 1;
  } else if (address.is_v4()) {
    const auto bytes = address.to_v4().to_bytes();
    is_set = X509_VERIFY_PARAM_set1_ip(wanted, bytes.data(), bytes.size()) == 1;
  } else {  // Without the scope that a link-local one may have: certificates know none.
    const auto bytes = address.to_v6().to_bytes();
    is_set = X509_VERIFY_PARAM_set1_ip(wanted, bytes.data(), bytes.size()) == 1;
  }
  if (!is_set) {
    tls_misuse("\"" + printable(bytes_of(name)) + "\" cannot be looked for in a certificate");
  }
  return TlsEngine(std::move(ssl));
}

}  // namespace detail

/// What the connections of a TLS server have in common. A handle: copies are the same context.
///
///     TlsServerContext tls(TlsIdentity::from_files("server.crt", "server.key"));
///     for (auto& listener : listen_tls(io.get_executor(), "", 9443, tls)) {
///       server.add_listener(std::move(listener));
///     }
///
/// TLS 1.2 is the least. Thread-safe.
class TlsServerContext {
 public:
  /// @throws Error invalid_argument: what cannot be used, and why
  explicit TlsServerContext(const TlsIdentity& identity, TlsServerOptions options = {})
      : state_(std::make_shared<State>()) {
    state_->options = std::move(options);
    replace(identity);
  }

  /// Takes another certificate and key, for the connections accepted from now on: when the old one
  /// expires, for example. They are checked first; if they cannot be used, nothing changes.
  /// @throws Error invalid_argument
  void replace(const TlsIdentity& identity) {
    auto settings = detail::server_settings(identity, state_->options);
    const std::lock_guard lock(state_->mutex);
    state_->settings = std::move(settings);
  }

  /// For the listener: the settings of a connection that is accepted now.
  std::shared_ptr<detail::TlsSettings> settings() const {
    const std::lock_guard lock(state_->mutex);
    return state_->settings;
  }

 private:
  struct State {
    TlsServerOptions options;
    std::mutex mutex;
    std::shared_ptr<detail::TlsSettings> settings;
  };

  std::shared_ptr<State> state_;
};

/// What TLS connections to servers have in common. A handle: copies are the same context.
///
/// The server's certificate must come from a trusted issuer and name the host; TLS 1.2 is the
/// least. Thread-safe.
class TlsClientContext {
 public:
  /// @throws Error invalid_argument: what cannot be used, and why
  explicit TlsClientContext(const TlsClientOptions& options = {})
      : settings_(detail::client_settings(options)) {}

  /// The one that trusts the issuers that the system trusts. Made at its first use.
  static TlsClientContext system() {
    static const TlsClientContext context;
    return context;
  }

  /// For the connector.
  const std::shared_ptr<detail::TlsSettings>& settings() const noexcept { return settings_; }

 private:
  std::shared_ptr<detail::TlsSettings> settings_;
};

}  // namespace cowire
