// SPDX-License-Identifier: BSL-1.0
// Certificates for tests, made when they run: none is in the sources, none expires.
#pragma once

#include "cowire/transports/tls_context.hpp"

#include <chrono>
#include <memory>
#include <string>

/// What a certificate says.
struct CertificateRequest {
  std::string name = "server";
  std::string alternative_names = "DNS:localhost,IP:127.0.0.1,IP:0:0:0:0:0:0:0:1";
  std::chrono::hours valid_from = std::chrono::hours(-1);   ///< From now on.
  std::chrono::hours valid_until = std::chrono::hours(24);  ///< From now on.
};

/// An issuer of certificates (with keys on the curve P-256).
class CertificateAuthority {
 public:
  explicit CertificateAuthority(const std::string& name = "Test Issuer");
  ~CertificateAuthority();

  /// The issuer's own certificate, PEM.
  std::string pem() const;

  cowire::TlsIdentity issue(const CertificateRequest& request = {}) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The one that most tests use, made once.
const CertificateAuthority& test_authority();

/// A server's context with a certificate of test_authority() for localhost, made once.
const cowire::TlsServerContext& test_server_context();

/// A client's context that trusts test_authority(), made once.
const cowire::TlsClientContext& test_client_context();
