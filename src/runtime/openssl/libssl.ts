/**
 * OpenSSL 3 as data: the functions of libssl and libcrypto that we call, once for both FFIs, and the numbers that go
 * with them. Source: the man pages (section 3ssl) and OpenSSL's public headers ssl.h, err.h, tls1.h, x509_vfy.h.
 */
import type { NativeFunction } from "../posix/libc.ts";

/** libcrypto comes with it, because a name is also looked up in the libraries that a library needs. */
export const LIBSSL_FILE = "libssl.so.3";

export const LIBSSL_FUNCTIONS = {
  BIO_ctrl: { parameters: ["pointer", "i32", "size", "pointer"], result: "size" },
  BIO_f_ssl: { parameters: [], result: "pointer" },
  BIO_new: { parameters: ["pointer"], result: "pointer" },
  CRYPTO_malloc: { parameters: ["size", "pointer", "i32"], result: "pointer" },
  ERR_clear_error: { parameters: [], result: "i32" },
  ERR_get_error: { parameters: [], result: "size" },
  ERR_reason_error_string: { parameters: ["size"], result: "pointer" },
  OPENSSL_init_ssl: { parameters: ["size", "pointer"], result: "i32" },
  OPENSSL_sk_num: { parameters: ["pointer"], result: "i32" },
  OPENSSL_sk_value: { parameters: ["pointer", "i32"], result: "pointer" },
  OpenSSL_version: { parameters: ["i32"], result: "pointer" },
  SSL_CIPHER_standard_name: { parameters: ["pointer"], result: "pointer" },
  SSL_CTX_callback_ctrl: { parameters: ["pointer", "i32", "pointer"], result: "i32" },
  SSL_CTX_check_private_key: { parameters: ["pointer"], result: "i32" },
  SSL_CTX_ctrl: { parameters: ["pointer", "i32", "size", "pointer"], result: "i32" },
  SSL_CTX_get0_param: { parameters: ["pointer"], result: "pointer" },
  SSL_CTX_free: { parameters: ["pointer"], result: "i32" },
  SSL_CTX_load_verify_file: { parameters: ["pointer", "pointer"], result: "i32" },
  SSL_CTX_new: { parameters: ["pointer"], result: "pointer" },
  SSL_CTX_set_cipher_list: { parameters: ["pointer", "pointer"], result: "i32" },
  SSL_CTX_set_ciphersuites: { parameters: ["pointer", "pointer"], result: "i32" },
  SSL_CTX_set_client_CA_list: { parameters: ["pointer", "pointer"], result: "i32" },
  SSL_CTX_set_default_read_buffer_len: { parameters: ["pointer", "size"], result: "i32" },
  SSL_CTX_set_default_verify_paths: { parameters: ["pointer"], result: "i32" },
  SSL_CTX_set_num_tickets: { parameters: ["pointer", "size"], result: "i32" },
  SSL_CTX_set_options: { parameters: ["pointer", "size"], result: "size" },
  SSL_CTX_set_security_level: { parameters: ["pointer", "i32"], result: "i32" },
  SSL_CTX_set_session_id_context: { parameters: ["pointer", "pointer", "u32"], result: "i32" },
  SSL_CTX_set_verify: { parameters: ["pointer", "i32", "pointer"], result: "i32" },
  SSL_CTX_use_PrivateKey_file: { parameters: ["pointer", "pointer", "i32"], result: "i32" },
  SSL_CTX_use_certificate_chain_file: { parameters: ["pointer", "pointer"], result: "i32" },
  SSL_ctrl: { parameters: ["pointer", "i32", "size", "pointer"], result: "i32" },
  SSL_do_handshake: { parameters: ["pointer"], result: "i32" },
  SSL_free: { parameters: ["pointer"], result: "i32" },
  SSL_get1_peer_certificate: { parameters: ["pointer"], result: "pointer" },
  SSL_get0_verified_chain: { parameters: ["pointer"], result: "pointer" },
  SSL_get_current_cipher: { parameters: ["pointer"], result: "pointer" },
  SSL_get_error: { parameters: ["pointer", "i32"], result: "i32" },
  SSL_get_peer_cert_chain: { parameters: ["pointer"], result: "pointer" },
  SSL_get_verify_result: { parameters: ["pointer"], result: "i32" },
  SSL_is_server: { parameters: ["pointer"], result: "i32" },
  SSL_has_pending: { parameters: ["pointer"], result: "i32" },
  SSL_load_client_CA_file: { parameters: ["pointer"], result: "pointer" },
  SSL_new: { parameters: ["pointer"], result: "pointer" },
  SSL_read: { parameters: ["pointer", "pointer", "i32"], result: "i32" },
  SSL_set_SSL_CTX: { parameters: ["pointer", "pointer"], result: "pointer" },
  SSL_set1_host: { parameters: ["pointer", "pointer"], result: "i32" },
  SSL_set_bio: { parameters: ["pointer", "pointer", "pointer"], result: "i32" },
  SSL_set_accept_state: { parameters: ["pointer"], result: "i32" },
  SSL_set_connect_state: { parameters: ["pointer"], result: "i32" },
  SSL_set_hostflags: { parameters: ["pointer", "u32"], result: "i32" },
  SSL_set_fd: { parameters: ["pointer", "i32"], result: "i32" },
  SSL_shutdown: { parameters: ["pointer"], result: "i32" },
  SSL_version: { parameters: ["pointer"], result: "i32" },
  SSL_write: { parameters: ["pointer", "pointer", "i32"], result: "i32" },
  TLS_client_method: { parameters: [], result: "pointer" },
  TLS_server_method: { parameters: [], result: "pointer" },
  X509_VERIFY_PARAM_set_flags: { parameters: ["pointer", "size"], result: "i32" },
  X509_free: { parameters: ["pointer"], result: "i32" },
  dlopen: { parameters: ["pointer", "i32"], result: "pointer" },
  dlsym: { parameters: ["pointer", "pointer"], result: "pointer" },
  i2d_X509: { parameters: ["pointer", "pointer"], result: "i32" },
} as const satisfies Record<string, NativeFunction>;

/** There is no clean-up at exit, because a thread may still be inside a call. */
export const OPENSSL_INIT_NO_ATEXIT = 0x80000;
export const OPENSSL_VERSION_STRING = 6;

export const SSL_ERROR_WANT_READ = 2;
export const SSL_ERROR_WANT_WRITE = 3;
export const SSL_ERROR_SYSCALL = 5;
export const SSL_ERROR_ZERO_RETURN = 6;

export const SSL_FILETYPE_PEM = 1;

export const SSL_VERIFY_NONE = 0;
export const SSL_VERIFY_PEER = 1;
export const SSL_VERIFY_FAIL_IF_NO_PEER_CERT = 2;

/** `cmd` of `BIO_ctrl`, and its argument: the `SSL` is freed with the `BIO`. */
export const BIO_C_SET_SSL = 109;
export const BIO_CLOSE = 1;

/** `flag` of `dlopen`. */
export const RTLD_NOW = 2;

/** `cmd` of `SSL_CTX_ctrl`, `SSL_CTX_callback_ctrl` and `SSL_ctrl`. */
export const SSL_CTRL_MODE = 33;
export const SSL_CTRL_SET_READ_AHEAD = 41;
export const SSL_CTRL_SET_SESS_CACHE_MODE = 44;
export const SSL_CTRL_SET_TLSEXT_STATUS_REQ_CB = 63;
export const SSL_CTRL_SET_TLSEXT_STATUS_REQ_OCSP_RESP = 71;
export const SSL_CTRL_CLEAR_MODE = 78;
export const SSL_CTRL_SET_GROUPS_LIST = 92;
export const SSL_CTRL_SET_MIN_PROTO_VERSION = 123;

/** `cmd` of `SSL_ctrl`, and what goes with it. */
export const SSL_CTRL_SET_TLSEXT_HOSTNAME = 55;
export const TLSEXT_NAMETYPE_HOST_NAME = 0;

export const SSL_MODE_ENABLE_PARTIAL_WRITE = 0x1;
export const SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER = 0x2;
export const SSL_MODE_AUTO_RETRY = 0x4;
export const SSL_MODE_RELEASE_BUFFERS = 0x10;

export const SSL_OP_IGNORE_UNEXPECTED_EOF = 0x80;
export const SSL_OP_NO_TICKET = 0x4000;
export const SSL_OP_CIPHER_SERVER_PREFERENCE = 0x400000;
export const SSL_OP_NO_RENEGOTIATION = 0x40000000;

export const SSL_SESS_CACHE_OFF = 0;

/** Every certificate in the file of authorities is trusted, intermediate ones included. */
export const X509_V_FLAG_PARTIAL_CHAIN = 0x80000;
export const X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS = 0x4;
export const X509_CHECK_FLAG_NEVER_CHECK_SUBJECT = 0x20;

export const TLS1_2_VERSION = 0x303;
export const TLS1_3_VERSION = 0x304;

/** A plaintext record carries at most this. */
export const RECORD_BYTES_MAX = 16384;

/** An error code is (library << 23 | reason), or 2^31 and an errno. */
export const ERR_REASON_MASK = 0x7fffff;
