// SPDX-License-Identifier: BSL-1.0
#include "support/certificates.hpp"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <stdexcept>

namespace {

using cowire::detail::BioPtr;
using cowire::detail::content_of;
using cowire::detail::OpensslDeleter;
using cowire::detail::X509Ptr;
using KeyPtr = std::unique_ptr<EVP_PKEY, OpensslDeleter<EVP_PKEY_free>>;
using KeyContextPtr = std::unique_ptr<EVP_PKEY_CTX, OpensslDeleter<EVP_PKEY_CTX_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, OpensslDeleter<X509_EXTENSION_free>>;

void require(bool done) {
  if (!done) {
    throw std::runtime_error("OpenSSL failed to make a test's certificate");
  }
}

KeyPtr make_key() {
  const KeyContextPtr context(EVP_PKEY_CTX_new_id(EVP_PKEY_EC, nullptr));
  EVP_PKEY* key = nullptr;
  require(EVP_PKEY_keygen_init(context.get()) == 1 &&
          EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context.get(), NID_X9_62_prime256v1) == 1 &&
          EVP_PKEY_keygen(context.get(), &key) == 1);
  return KeyPtr(key);
}

void add(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()));
  require(extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1);
}

// Without its issuer and signature.
X509Ptr make_certificate(EVP_PKEY* key, const CertificateRequest& request) {
  static long serial = 0;
  X509Ptr certificate(X509_new());
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), ++serial);
  using Seconds = std::chrono::seconds;
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), Seconds(request.valid_from).count());
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), Seconds(request.valid_until).count());
  X509_set_pubkey(certificate.get(), key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(request.name.c_str()), -1, -1,
                             0);
  return certificate;
}

std::string pem_of(X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate);
  return content_of(bio.get());
}

std::string pem_of(EVP_PKEY* key) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  return content_of(bio.get());
}

}  // namespace

struct CertificateAuthority::State {
  KeyPtr key = make_key();
  X509Ptr certificate;
};

CertificateAuthority::CertificateAuthority(const std::string& name)
    : state_(std::make_unique<State>()) {
  CertificateRequest request;
  request.name = name;
  state_->certificate = make_certificate(state_->key.get(), request);
  X509* const own = state_->certificate.get();
  X509_set_issuer_name(own, X509_get_subject_name(own));
  add(own, own, NID_basic_constraints, "critical,CA:TRUE");
  add(own, own, NID_key_usage, "critical,keyCertSign,cRLSign");
  add(own, own, NID_subject_key_identifier, "hash");
  require(X509_sign(own, state_->key.get(), EVP_sha256()) > 0);
}

CertificateAuthority::~CertificateAuthority() = default;

std::string CertificateAuthority::pem() const { return pem_of(state_->certificate.get()); }

cowire::TlsIdentity CertificateAuthority::issue(const CertificateRequest& request) const {
  const KeyPtr key = make_key();
  const X509Ptr certificate = make_certificate(key.get(), request);
  X509* const issuer = state_->certificate.get();
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer));
  add(certificate.get(), issuer, NID_basic_constraints, "critical,CA:FALSE");
  add(certificate.get(), issuer, NID_subject_key_identifier, "hash");
  add(certificate.get(), issuer, NID_authority_key_identifier, "keyid");
  if (!request.alternative_names.empty()) {
    add(certificate.get(), issuer, NID_subject_alt_name, request.alternative_names);
  }
  require(X509_sign(certificate.get(), state_->key.get(), EVP_sha256()) > 0);
  return {pem_of(certificate.get()), pem_of(key.get())};
}

const CertificateAuthority& test_authority() {
  static const CertificateAuthority authority;
  return authority;
}

const cowire::TlsServerContext& test_server_context() {
  static const cowire::TlsServerContext context(test_authority().issue());
  return context;
}

const cowire::TlsClientContext& test_client_context() {
  static const cowire::TlsClientContext context = [] {
    cowire::TlsClientOptions options;
    options.trusted_ca = test_authority().pem();
    return cowire::TlsClientContext(options);
  }();
  return context;
}
