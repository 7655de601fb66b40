// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <string>

namespace cowire {

/// What TLS says of a connection: see Peer::tls(). Empty members are not known, or not there.
struct TlsInfo {
  std::string version;           ///< "TLSv1.3".
  std::string cipher;            ///< "TLS_AES_256_GCM_SHA384".
  std::string alpn;              ///< The application protocol that both sides agreed on.
  std::string server_name;       ///< The name that the client asked for (SNI).
  std::string peer_subject;      ///< Whom the peer's certificate names: "CN=alice,O=Example".
  std::string peer_certificate;  ///< The peer's certificate, PEM.
  bool peer_verified = false;    ///< Whether the certificate was checked, and is trusted.
};

}  // namespace cowire
