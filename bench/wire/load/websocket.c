// WebSocket framing of the load's connections: each write is one masked frame, what is read comes out of its frames.
//
// A frame that the kernel does not take whole counts as sent at once; what is left of it goes out before the next.
#define _GNU_SOURCE
#include "load.h"

#include <errno.h>
#include <string.h>

enum { DESCRIPTORS_MAX = 65536, FRAME_BYTES_MAX = 256 * 1024, HEADER_BYTES_MAX = 14 };

static const char REQUEST[] = "GET / HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                              "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
static const unsigned char MASK[8] = {0x9a, 0x01, 0xff, 0x42, 0x9a, 0x01, 0xff, 0x42};

struct web_socket {
  uint64_t payload_left; // of the frame that is being read
  unsigned char header[HEADER_BYTES_MAX];
  size_t header_bytes; // of the next one, as far as it came
  char *frame;         // the last one written
  size_t owed_at, owed_end;
};

static struct web_socket *web_socket_of[DESCRIPTORS_MAX];

void begin_web_socket(int fd) {
  if (fd >= DESCRIPTORS_MAX) fail("a WebSocket on descriptor %d: %d at most", fd, DESCRIPTORS_MAX);
  write_all(fd, REQUEST, sizeof REQUEST - 1);
  char answer[4096] = {0};
  for (size_t length = 0; !strstr(answer, "\r\n\r\n"); length++) {
    if (length + 1 == sizeof answer) fail("an answer of more than %zu bytes to an upgrade", sizeof answer);
    if (receive_unframed(fd, answer + length, 1) <= 0) fail("the server closed a connection that was to be upgraded");
  }
  if (strncmp(answer, "HTTP/1.1 101 ", 13)) fail("no upgrade but %.60s", answer);
  web_socket_of[fd] = allocate(sizeof(struct web_socket));
}

// Takes a byte of a header; whether it is the last.
static bool take_header_byte(struct web_socket *socket, unsigned char byte) {
  unsigned char *header = socket->header;
  header[socket->header_bytes++] = byte;
  if (socket->header_bytes < 2) return false;
  if ((header[0] & 0x0f) != 2) fail("a frame of opcode %d from the server", header[0] & 0x0f);
  size_t length_bytes = header[1] == 127 ? 8 : header[1] == 126 ? 2 : 0;
  if (socket->header_bytes < 2 + length_bytes) return false;
  socket->payload_left = length_bytes ? 0 : header[1];
  for (size_t i = 0; i < length_bytes; i++) socket->payload_left = socket->payload_left << 8 | header[2 + i];
  socket->header_bytes = 0;
  return true;
}

// The payloads in `bytes`, moved to their front. Returns how many bytes they are.
static size_t take_frames(struct web_socket *socket, char *bytes, size_t count) {
  size_t at = 0, filled = 0;
  while (at < count) {
    if (!socket->payload_left) {
      take_header_byte(socket, (unsigned char)bytes[at++]);
      continue;
    }
    size_t length = count - at < socket->payload_left ? count - at : (size_t)socket->payload_left;
    memmove(bytes + filled, bytes + at, length);
    socket->payload_left -= length;
    at += length;
    filled += length;
  }
  return filled;
}

ssize_t receive_bytes(int fd, void *bytes, size_t count) {
  struct web_socket *socket = web_socket_of[fd];
  if (!socket) return receive_unframed(fd, bytes, count);
  for (;;) {
    ssize_t got = receive_unframed(fd, bytes, count);
    if (got <= 0) return got;
    size_t filled = take_frames(socket, bytes, (size_t)got);
    if (filled) return (ssize_t)filled;
  }
}

static size_t write_header(char *frame, size_t payload_bytes) {
  size_t length_bytes = payload_bytes > 65535 ? 8 : payload_bytes > 125 ? 2 : 0;
  frame[0] = (char)0x82;
  frame[1] = (char)(0x80 | (length_bytes == 8 ? 127 : length_bytes == 2 ? 126 : payload_bytes));
  for (size_t i = 0; i < length_bytes; i++) frame[2 + i] = (char)(payload_bytes >> 8 * (length_bytes - 1 - i));
  memcpy(frame + 2 + length_bytes, MASK, 4);
  return 2 + length_bytes + 4;
}

static void mask_payload(char *to, const char *from, size_t count) {
  size_t at = 0;
  for (; at + 8 <= count; at += 8) {
    uint64_t word, mask;
    memcpy(&word, from + at, 8);
    memcpy(&mask, MASK, 8);
    word ^= mask;
    memcpy(to + at, &word, 8);
  }
  for (; at < count; at++) to[at] = (char)(from[at] ^ MASK[at % 4]);
}

ssize_t send_bytes(int fd, const void *bytes, size_t count) {
  struct web_socket *socket = web_socket_of[fd];
  if (!socket) return send_unframed(fd, bytes, count);
  if (!socket->frame) socket->frame = allocate(HEADER_BYTES_MAX + FRAME_BYTES_MAX);
  while (socket->owed_at < socket->owed_end) {
    ssize_t written = send_unframed(fd, socket->frame + socket->owed_at, socket->owed_end - socket->owed_at);
    if (written < 0) return written;
    socket->owed_at += (size_t)written;
  }
  if (count > FRAME_BYTES_MAX) count = FRAME_BYTES_MAX;
  size_t header_bytes = write_header(socket->frame, count);
  mask_payload(socket->frame + header_bytes, bytes, count);
  ssize_t written = send_unframed(fd, socket->frame, header_bytes + count);
  if (written < 0) return written;
  socket->owed_at = (size_t)written;
  socket->owed_end = header_bytes + count;
  return (ssize_t)count;
}
