// TLS of the load's connections. Compiled with WITH_TLS it needs OpenSSL. Without, there are only plain connections.
//
// A record that the kernel does not take completely counts as sent at once. What is left of it goes out before the
// next.
#define _GNU_SOURCE
#include "load.h"

#include <errno.h>
#include <unistd.h>

#ifdef WITH_TLS

#include <openssl/err.h>
#include <openssl/ssl.h>

enum { DESCRIPTORS_MAX = 65536, RECORD_BYTES = 16384 };

static SSL_CTX *context;
static SSL *connection_of[DESCRIPTORS_MAX];
static int owed_bytes_of[DESCRIPTORS_MAX];
static SSL_SESSION *last_session;

void begin_tls(int fd, bool is_resumed) {
  if (!context) {
    context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  }
  if (fd >= DESCRIPTORS_MAX) fail("TLS on descriptor %d: %d at most", fd, DESCRIPTORS_MAX);
  SSL *connection = SSL_new(context);
  SSL_set_fd(connection, fd);
  if (is_resumed && last_session) SSL_set_session(connection, last_session);
  connection_of[fd] = connection;
  owed_bytes_of[fd] = 0;
}

bool handshake(int fd) {
  SSL *connection = connection_of[fd];
  int result = SSL_connect(connection);
  if (result == 1) return true;
  int error = SSL_get_error(connection, result);
  if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
    fail("TLS handshake: %s", ERR_reason_error_string(ERR_get_error()));
  return false;
}

void close_connection(int fd) {
  SSL *connection = connection_of[fd];
  if (connection) {
    SSL_SESSION *session = SSL_get1_session(connection);
    if (session && SSL_SESSION_is_resumable(session)) {
      SSL_SESSION_free(last_session);
      last_session = session;
    } else SSL_SESSION_free(session);
    SSL_shutdown(connection);
    SSL_free(connection);
    ERR_clear_error();
    connection_of[fd] = NULL;
  }
  close(fd);
}

static ssize_t failure(SSL *connection, int result) {
  int error = SSL_get_error(connection, result);
  if (error == SSL_ERROR_ZERO_RETURN) return 0;
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) errno = EAGAIN;
  else if (error != SSL_ERROR_SYSCALL) errno = EPROTO;
  return -1;
}

ssize_t receive_unframed(int fd, void *bytes, size_t count) {
  SSL *connection = connection_of[fd];
  if (!connection) return read(fd, bytes, count);
  // There is no read-ahead. So what is left after a read is in the socket, or in this record, which is read completely.
  size_t filled = 0;
  do {
    int got = SSL_read(connection, (char *)bytes + filled, (int)(count - filled));
    if (got <= 0) return filled ? (ssize_t)filled : failure(connection, got);
    filled += (size_t)got;
  } while (filled < count && (SSL_pending(connection) || filled + RECORD_BYTES <= count));
  return (ssize_t)filled;
}

ssize_t send_unframed(int fd, const void *bytes, size_t count) {
  SSL *connection = connection_of[fd];
  if (!connection) return write(fd, bytes, count);
  if (owed_bytes_of[fd]) {
    int written = SSL_write(connection, bytes, owed_bytes_of[fd]);
    if (written <= 0) return failure(connection, written);
    owed_bytes_of[fd] = 0;
  }
  size_t sent = 0;
  while (sent < count) {
    int length = count - sent < RECORD_BYTES ? (int)(count - sent) : RECORD_BYTES;
    int written = SSL_write(connection, (const char *)bytes + sent, length);
    if (written > 0) {
      sent += (size_t)written;
      continue;
    }
    if (failure(connection, written) == 0 || errno != EAGAIN) return -1;
    owed_bytes_of[fd] = length;
    return (ssize_t)sent + length;
  }
  return (ssize_t)sent;
}

#else

void begin_tls(int fd, bool is_resumed) {
  (void)fd, (void)is_resumed;
  fail("--tls: this program was compiled without it");
}

bool handshake(int fd) {
  (void)fd;
  return true;
}

void close_connection(int fd) {
  close(fd);
}

ssize_t receive_unframed(int fd, void *bytes, size_t count) {
  return read(fd, bytes, count);
}

ssize_t send_unframed(int fd, const void *bytes, size_t count) {
  return write(fd, bytes, count);
}

#endif
