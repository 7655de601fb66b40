// SPDX-License-Identifier: BSL-1.0
#include "cowire/transports/tls_context.hpp"

#include "support/certificates.hpp"
#include "support/thrown.hpp"

#include <doctest/doctest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>

using namespace cowire;

namespace {

/// Why a server's context cannot be made.
std::string refusal(const TlsIdentity& identity, const TlsServerOptions& options = {}) {
  const auto error = thrown([&] { TlsServerContext(identity, options); });
  REQUIRE(error);
  CHECK(error->code() == errc::invalid_argument);
  return error->what();
}

std::string refusal(const TlsClientOptions& options) {
  const auto error = thrown([&] { TlsClientContext{options}; });
  REQUIRE(error);
  CHECK(error->code() == errc::invalid_argument);
  return error->what();
}

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

/// A key of another type than those of the certificates.
std::string rsa_key() {
  EVP_PKEY_CTX* const context = EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, nullptr);
  EVP_PKEY* key = nullptr;
  REQUIRE(EVP_PKEY_keygen_init(context) == 1);
  REQUIRE(EVP_PKEY_keygen(context, &key) == 1);
  EVP_PKEY_CTX_free(context);
  const detail::BioPtr out(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(out.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  EVP_PKEY_free(key);
  return detail::content_of(out.get());
}

/// The same key, encrypted.
std::string encrypted(const std::string& key, const std::string& password) {
  const detail::BioPtr in(BIO_new_mem_buf(key.data(), static_cast<int>(key.size())));
  EVP_PKEY* const plain = PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, nullptr);
  const detail::BioPtr out(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(out.get(), plain, EVP_aes_128_cbc(),
                           reinterpret_cast<const unsigned char*>(password.data()),
                           static_cast<int>(password.size()), nullptr, nullptr);
  EVP_PKEY_free(plain);
  return detail::content_of(out.get());
}

}  // namespace

TEST_CASE("tls context: an identity of files, and of files that are not there") {
  const TlsIdentity identity = test_authority().issue();
  const std::string name = "tls-test-" + std::to_string(::getpid());
  std::ofstream(name + ".crt") << identity.chain;
  std::ofstream(name + ".key") << identity.key;
  std::ofstream(name + ".empty").flush();
  CHECK_NOTHROW(TlsServerContext(TlsIdentity::from_files(name + ".crt", name + ".key")));
  const auto missing = thrown([&] { TlsIdentity::from_files(name + ".crt", name + ".no"); });
  REQUIRE(missing);
  CHECK(missing->code() == errc::invalid_argument);
  CHECK(contains(missing->what(), (name + ".no (No such file or directory)").c_str()));
  const auto empty = thrown([&] { read_pem(name + ".empty"); });
  REQUIRE(empty);
  CHECK(contains(empty->what(), "it is empty"));
  for (const char* ending : {".crt", ".key", ".empty"}) {
    std::remove((name + ending).c_str());
  }
}

TEST_CASE("tls context: what cannot be used is refused, and says what is wrong") {
  const TlsIdentity good = test_authority().issue();
  const TlsIdentity other = test_authority().issue();
  CHECK(contains(refusal({"nonsense", good.key}), "the certificate chain cannot be used"));
  CHECK(contains(refusal({good.chain, "nonsense"}), "the private key cannot be used"));
  CHECK(contains(refusal({good.chain, other.key}), "the private key cannot be used"));
  CHECK(contains(refusal({good.chain, rsa_key()}), "the private key cannot be used"));
}

TEST_CASE("tls context: an encrypted key and its password") {
  const TlsIdentity good = test_authority().issue();
  const std::string key = encrypted(good.key, "secret");
  CHECK(contains(key, "ENCRYPTED"));
  CHECK_NOTHROW(TlsServerContext(TlsIdentity(good.chain, key, "secret")));
  CHECK(contains(refusal({good.chain, key, "wrong"}), "the private key cannot be used"));
  CHECK(contains(refusal({good.chain, key}), "the private key cannot be used"));
}

TEST_CASE("tls context: certificates of clients need a trusted issuer") {
  const TlsIdentity good = test_authority().issue();
  TlsServerOptions options;
  options.client_certificates = ClientCertificates::required;
  CHECK(contains(refusal(good, options), "set client_ca"));
  options.client_ca = "nonsense";
  CHECK(contains(refusal(good, options), "trusted issuers cannot be used"));
  options.client_ca = test_authority().pem();
  CHECK_NOTHROW(TlsServerContext(good, options));
}

TEST_CASE("tls context: names of application protocols have 1 to 255 bytes") {
  const TlsIdentity good = test_authority().issue();
  TlsServerOptions options;
  for (const std::string& name : {std::string(), std::string(256, 'x')}) {
    options.alpn = {"good", name};
    CHECK(contains(refusal(good, options), "1 to 255 bytes"));
  }
  options.alpn = {std::string(255, 'x')};
  CHECK_NOTHROW(TlsServerContext(good, options));
  options.alpn.assign(255, std::string(255, 'x'));
  CHECK_NOTHROW(TlsServerContext(good, options));
  options.alpn.assign(256, std::string(255, 'x'));
  CHECK(contains(refusal(good, options), "more than 65535 bytes"));
}

TEST_CASE("tls context: a client's") {
  CHECK_NOTHROW(TlsClientContext());
  CHECK(TlsClientContext::system().settings() == TlsClientContext::system().settings());
  TlsClientOptions options;
  options.trusted_ca = "nonsense";
  CHECK(contains(refusal(options), "trusted issuers cannot be used"));
  options.trusted_ca = test_authority().pem();
  options.identity = TlsIdentity("nonsense", "nonsense");
  CHECK(contains(refusal(options), "the certificate chain cannot be used"));
}

TEST_CASE("tls context: a certificate that cannot be used does not replace the old one") {
  const TlsServerContext copy(test_authority().issue());
  TlsServerContext context = copy;
  const auto before = context.settings();
  CHECK_THROWS_AS(context.replace(TlsIdentity("nonsense", "nonsense")), Error);
  CHECK(context.settings() == before);
  context.replace(test_authority().issue());
  CHECK(context.settings() != before);
  CHECK(copy.settings() == context.settings());
}
