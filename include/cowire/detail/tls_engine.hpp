// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/bytes.hpp"
#include "cowire/error.hpp"
#include "cowire/tls_info.hpp"

#include <asio/ssl/error.hpp>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <climits>
#include <cstddef>
#include <memory>
#include <new>
#include <string>
#include <system_error>
#include <utility>

namespace cowire::detail {

// Frees what belongs to OpenSSL.
template <auto free>
struct OpensslDeleter {
  template <class T>
  void operator()(T* object) const noexcept {
    free(object);
  }
};
using SslPtr = std::unique_ptr<SSL, OpensslDeleter<SSL_free>>;
using BioPtr = std::unique_ptr<BIO, OpensslDeleter<BIO_free>>;
using X509Ptr = std::unique_ptr<X509, OpensslDeleter<X509_free>>;

// What a memory BIO holds.
inline std::string content_of(BIO* memory) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory, &data);
  return {data, static_cast<std::size_t>(std::max(size, 0L))};
}

// One side of a TLS connection as a machine without I/O: ciphertext goes in and out on one side,
// plain text on the other. Neither is copied more than OpenSSL does: both ends of the ciphertext
// are memory of OpenSSL's own.
class TlsEngine {
 public:
  enum class Step {
    done,
    wants_input,   // ciphertext from the peer
    wants_output,  // room for ciphertext: output() is full
    ended,         // The peer has said that it will send no more.
    failed,        // error()
  };

  // Takes the SSL over, on which SSL_set_accept_state or SSL_set_connect_state was called.
  explicit TlsEngine(SslPtr ssl) : ssl_(std::move(ssl)) {
    BIO* inner = nullptr;
    BIO* outer = nullptr;
    if (BIO_new_bio_pair(&inner, 0, &outer, 0) != 1) {
      throw std::bad_alloc();
    }
    SSL_set_bio(ssl_.get(), inner, inner);
    wire_.reset(outer);
  }

  Step handshake() {
    return perform([this] { return SSL_do_handshake(ssl_.get()); });
  }

  // Plain text that has come: `n` bytes.
  Step read(MutableBytes into, std::size_t& n) {
    return perform([&] { return SSL_read_ex(ssl_.get(), into.data(), into.size(), &n); });
  }

  // Encrypts the first `n` bytes.
  Step write(Bytes from, std::size_t& n) {
    return perform([&] { return SSL_write_ex(ssl_.get(), from.data(), from.size(), &n); });
  }

  // Says that nothing more will be sent (close_notify). Not after a failure: RFC 8446, section 6.2.
  void end_output() {
    if (!error_ && SSL_is_init_finished(ssl_.get()) != 0) {
      ERR_clear_error();
      SSL_shutdown(ssl_.get());
    }
  }

  // The ciphertext for the peer, or its first part, and how much of it has been sent.
  Bytes output() {
    char* data = nullptr;
    const int size = BIO_nread0(wire_.get(), &data);
    return {reinterpret_cast<const std::byte*>(data), static_cast<std::size_t>(std::max(size, 0))};
  }
  void output_sent(std::size_t n) {
    char* data = nullptr;
    BIO_nread(wire_.get(), &data, static_cast<int>(n));
  }

  // Room for ciphertext from the peer, and how much has come.
  MutableBytes input_room() {
    char* data = nullptr;
    const int size = BIO_nwrite0(wire_.get(), &data);
    return {reinterpret_cast<std::byte*>(data), static_cast<std::size_t>(std::max(size, 0))};
  }
  void input_received(std::size_t n) {
    char* data = nullptr;
    const int size = BIO_nwrite(wire_.get(), &data, static_cast<int>(n));
    if (first_bytes_.empty()) {
      constexpr int shown = 32;
      first_bytes_.assign(data, static_cast<std::size_t>(std::clamp(size, 0, shown)));
    }
  }
  void input_ended() { BIO_shutdown_wr(wire_.get()); }

  // Why a step failed: errc::truncated if the peer left without saying so.
  std::error_code error() const noexcept { return error_; }

  // The same in words, for people.
  std::string error_text() const {
    const long verified = SSL_get_verify_result(ssl_.get());
    const bool was_checked = (SSL_get_verify_mode(ssl_.get()) & SSL_VERIFY_PEER) != 0;
    if (was_checked && verified != X509_V_OK && error_ != errc::truncated) {
      return std::string("the peer's certificate is not accepted: ") +
             X509_verify_cert_error_string(verified);
    }
    return error_.message();
  }

  // What the peer sent first.
  const std::string& first_bytes() const noexcept { return first_bytes_; }

  // Whether what came first is no TLS, in which it would be a handshake, or an alert.
  bool is_called_without_tls() const noexcept {
    constexpr char alert_record = 21;
    constexpr char handshake_record = 22;
    return !first_bytes_.empty() && first_bytes_.front() != handshake_record &&
           first_bytes_.front() != alert_record;
  }

  TlsInfo info() const {
    TlsInfo info;
    const SSL* ssl = ssl_.get();
    info.version = SSL_get_version(ssl);
    info.cipher = SSL_get_cipher_name(ssl);
    const unsigned char* alpn = nullptr;
    unsigned int size = 0;
    SSL_get0_alpn_selected(ssl, &alpn, &size);
    info.alpn.assign(reinterpret_cast<const char*>(alpn), size);
    if (const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)) {
      info.server_name = name;
    }
    if (const X509Ptr certificate{SSL_get_peer_certificate(ssl)}) {
      const BioPtr subject(BIO_new(BIO_s_mem()));
      X509_NAME_print_ex(subject.get(), X509_get_subject_name(certificate.get()), 0,
                         XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
      info.peer_subject = content_of(subject.get());
      const BioPtr pem(BIO_new(BIO_s_mem()));
      PEM_write_bio_X509(pem.get(), certificate.get());
      info.peer_certificate = content_of(pem.get());
      info.peer_verified = (SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER) != 0 &&
                           SSL_get_verify_result(ssl) == X509_V_OK;
    }
    return info;
  }

  SSL* native_handle() noexcept { return ssl_.get(); }

 private:
  template <class Operation>
  Step perform(Operation operation) {
    if (error_) {
      return Step::failed;
    }
    ERR_clear_error();
    const int result = operation();
    if (result > 0) {
      return Step::done;
    }
    const int reason = SSL_get_error(ssl_.get(), result);
    switch (reason) {
      case SSL_ERROR_WANT_READ: return Step::wants_input;
      case SSL_ERROR_WANT_WRITE: return Step::wants_output;
      case SSL_ERROR_ZERO_RETURN: return Step::ended;
      default: break;
    }
    const unsigned long code = ERR_get_error();
    if (reason == SSL_ERROR_SYSCALL || is_unexpected_end(code)) {
      error_ = errc::truncated;
    } else {
      error_.assign(static_cast<int>(code), asio::error::get_ssl_category());
    }
    return Step::failed;
  }

  static bool is_unexpected_end([[maybe_unused]] unsigned long code) noexcept {
#ifdef SSL_R_UNEXPECTED_EOF_WHILE_READING
    return ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
#else
    return false;  // Before OpenSSL 3 it is SSL_ERROR_SYSCALL.
#endif
  }

  SslPtr ssl_;
  BioPtr wire_;
  std::error_code error_;
  std::string first_bytes_;
};

}  // namespace cowire::detail
