// The login of a connection: CONNECT with the fields of a login and, if there is a seed, the signature of the nonce
// that the server's INFO gave this connection.
//
// The system's OpenSSL signs (about 30 µs). It is loaded when it is first needed, so loads that sign nothing need no
// OpenSSL, neither to compile nor to run.
#define _GNU_SOURCE
#include "load.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

enum { ED25519 = 1087, SEED_BYTES = 32, SIGNATURE_BYTES = 64, NONCE_BYTES_MAX = 64 };

typedef struct key key;
typedef struct digest digest;

static struct {
  key *(*new_raw_private_key)(int type, void *engine, const unsigned char *seed, size_t seed_bytes);
  digest *(*new_digest)(void);
  void (*free_digest)(digest *);
  int (*sign_init)(digest *, void *, const void *, void *engine, key *);
  int (*sign)(digest *, unsigned char *signature, size_t *signature_bytes, const unsigned char *text, size_t text_bytes);
} openssl;
static key *signing_key;

static void *find(void *library, const char *name) {
  void *function = dlsym(library, name);
  if (!function) fail("libcrypto has no %s; signing needs OpenSSL 1.1.1 or newer", name);
  return function;
}

static void load_key(const char *seed_hex) {
  void *library = dlopen("libcrypto.so.3", RTLD_NOW);
  if (!library) library = dlopen("libcrypto.so", RTLD_NOW);
  if (!library) fail("signing a nonce needs OpenSSL: %s", dlerror());
  *(void **)&openssl.new_raw_private_key = find(library, "EVP_PKEY_new_raw_private_key");
  *(void **)&openssl.new_digest = find(library, "EVP_MD_CTX_new");
  *(void **)&openssl.free_digest = find(library, "EVP_MD_CTX_free");
  *(void **)&openssl.sign_init = find(library, "EVP_DigestSignInit");
  *(void **)&openssl.sign = find(library, "EVP_DigestSign");
  unsigned char seed[SEED_BYTES];
  for (size_t i = 0; i < SEED_BYTES; i++) {
    unsigned byte;
    if (sscanf(seed_hex + 2 * i, "%2x", &byte) != 1) fail("--seed: %d hexadecimal digits are needed", SEED_BYTES * 2);
    seed[i] = (unsigned char)byte;
  }
  signing_key = openssl.new_raw_private_key(ED25519, NULL, seed, SEED_BYTES);
  if (!signing_key) fail("OpenSSL makes no key of --seed");
}

// Writes Base64 for URLs, without padding.
static size_t encode_base64(char *out, const unsigned char *bytes, size_t count) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  size_t length = 0;
  for (size_t at = 0; at < count; at += 3) {
    size_t left = count - at;
    unsigned group = (unsigned)bytes[at] << 16 | (left > 1 ? (unsigned)bytes[at + 1] << 8 : 0) | (left > 2 ? bytes[at + 2] : 0);
    for (size_t digit = 0; digit <= (left > 3 ? 3 : left); digit++) out[length++] = digits[group >> (18 - 6 * digit) & 63];
  }
  return length;
}

static size_t write_signature(char *out, const char *info) {
  static const char name[] = "\"nonce\":\"";
  const char *nonce = strstr(info, name), *end;
  if (!nonce || !(end = strchr(nonce += sizeof name - 1, '"')) || end - nonce > NONCE_BYTES_MAX)
    fail("no nonce to sign in %.200s", info);
  unsigned char signature[SIGNATURE_BYTES];
  size_t signature_bytes = sizeof signature;
  digest *context = openssl.new_digest();
  if (openssl.sign_init(context, NULL, NULL, NULL, signing_key) != 1 ||
      openssl.sign(context, signature, &signature_bytes, (const unsigned char *)nonce, (size_t)(end - nonce)) != 1)
    fail("OpenSSL did not sign the nonce");
  openssl.free_digest(context);
  return encode_base64(out, signature, signature_bytes);
}

const char *numbered_login(const struct options *options, const char *login, int number) {
  static char numbered[CONNECT_BYTES_MAX / 2];
  const char *place = login && options->logins ? strstr(login, "{n}") : NULL;
  if (!place) return login;
  snprintf(numbered, sizeof numbered, "%.*s%d%s", (int)(place - login), login, number % options->logins, place + 3);
  return numbered;
}

size_t write_connect(char *out, const struct options *options, const char *login, const char *info) {
  static const char start[] =
      "CONNECT {\"verbose\":false,\"pedantic\":false,\"tls_required\":false,\"name\":\"load\",\"lang\":\"c\","
      "\"version\":\"1\",\"protocol\":1,\"echo\":true,\"headers\":true,\"no_responders\":false";
  if (login && strlen(login) > CONNECT_BYTES_MAX / 2) fail("a login of more than %d bytes", CONNECT_BYTES_MAX / 2);
  char *at = out + sprintf(out, "%s%s%s", start, login ? "," : "", login ? login : "");
  if (options->seed) {
    if (!signing_key) load_key(options->seed);
    at += sprintf(at, ",\"sig\":\"");
    at += write_signature(at, info);
    *at++ = '"';
  }
  at += sprintf(at, "}\r\nPING\r\n");
  return (size_t)(at - out);
}
