// WebSocket framing of the load's connections: each write is one masked frame, and reads give what is in frames.
//
// A frame that the kernel does not take completely counts as sent at once. What is left of it goes out before the next.
#define _GNU_SOURCE
#include "deflate.h"
#include "load.h"

#include <errno.h>
#include <string.h>

enum { DESCRIPTORS_MAX = 65536, FRAME_BYTES_MAX = 256 * 1024, HEADER_BYTES_MAX = 14, READ_BYTES = 128 * 1024 };
enum { COMPRESSED_BIT = 0x40, COMPRESSED_FROM = 64 };

#define REQUEST_LINES "GET / HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
                      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define COMPRESSION "permessage-deflate"
#define COMPRESSION_LINE "Sec-WebSocket-Extensions: " COMPRESSION "; server_no_context_takeover; client_no_context_takeover\r\n"

static const unsigned char MASK[8] = {0x9a, 0x01, 0xff, 0x42, 0x9a, 0x01, 0xff, 0x42};

struct web_socket {
  uint64_t payload_left; // of the frame that is being read
  unsigned char header[HEADER_BYTES_MAX];
  size_t header_bytes; // of the next one, as far as it came
  char *frame;         // the last one written
  size_t owed_at, owed_end;
  // Where messages are compressed:
  struct flow *packing, *unpacking;
  bool is_compressed, has_more; // of the frame that is being read; more of what was read comes out of it
  char *read;                   // off the socket, and not used yet
  size_t read_at, read_end;
  const void *framed; // what the last frame holds: publishers say the same again and again
  size_t framed_bytes, framed_end;
};

static struct web_socket *web_socket_of[DESCRIPTORS_MAX];

void begin_web_socket(int fd, bool is_compressed) {
  if (fd >= DESCRIPTORS_MAX) fail("a WebSocket on descriptor %d: %d at most", fd, DESCRIPTORS_MAX);
  const char *request = is_compressed ? REQUEST_LINES COMPRESSION_LINE "\r\n" : REQUEST_LINES "\r\n";
  write_all(fd, request, strlen(request));
  char answer[4096] = {0};
  for (size_t length = 0; !strstr(answer, "\r\n\r\n"); length++) {
    if (length + 1 == sizeof answer) fail("an answer of more than %zu bytes to an upgrade", sizeof answer);
    if (receive_unframed(fd, answer + length, 1) <= 0) fail("the server closed a connection that was to be upgraded");
  }
  if (strncmp(answer, "HTTP/1.1 101 ", 13)) fail("no upgrade but %.60s", answer);
  struct web_socket *socket = web_socket_of[fd] = allocate(sizeof(struct web_socket));
  if (!is_compressed) return;
  if (!strstr(answer, COMPRESSION)) fail("the server does not compress");
  socket->packing = new_packing();
  socket->unpacking = new_unpacking();
  socket->read = allocate(READ_BYTES);
}

// Takes a byte of a header. Returns whether it is the last.
static bool take_header_byte(struct web_socket *socket, unsigned char byte) {
  unsigned char *header = socket->header;
  header[socket->header_bytes++] = byte;
  if (socket->header_bytes < 2) return false;
  if ((header[0] & 0x0f) != 2) fail("a frame of opcode %d from the server", header[0] & 0x0f);
  size_t length_bytes = header[1] == 127 ? 8 : header[1] == 126 ? 2 : 0;
  if (socket->header_bytes < 2 + length_bytes) return false;
  socket->payload_left = length_bytes ? 0 : header[1];
  for (size_t i = 0; i < length_bytes; i++) socket->payload_left = socket->payload_left << 8 | header[2 + i];
  socket->is_compressed = header[0] & COMPRESSED_BIT;
  socket->header_bytes = 0;
  return true;
}

// Moves the payloads in `bytes` to the front. Returns how many bytes they are.
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

// Takes what was read until `bytes` is full or nothing is left. Returns how many bytes came out.
static size_t take_compressed(struct web_socket *socket, char *bytes, size_t count) {
  size_t filled = 0;
  while (filled < count && (socket->has_more || socket->read_at < socket->read_end)) {
    if (!socket->payload_left && !socket->has_more) {
      take_header_byte(socket, (unsigned char)socket->read[socket->read_at++]);
      continue;
    }
    size_t length = socket->read_end - socket->read_at, out;
    if (length > socket->payload_left) length = (size_t)socket->payload_left;
    if (socket->is_compressed) {
      out = unpack(socket->unpacking, socket->read + socket->read_at, &length, bytes + filled, count - filled);
      socket->has_more = out == count - filled;
    } else {
      if (length > count - filled) length = count - filled;
      memcpy(bytes + filled, socket->read + socket->read_at, out = length);
    }
    socket->payload_left -= length;
    socket->read_at += length;
    filled += out;
    if (socket->is_compressed && !socket->payload_left && !socket->has_more) end_message(socket->unpacking);
  }
  return filled;
}

bool holds_bytes(int fd) {
  const struct web_socket *socket = web_socket_of[fd];
  return socket && (socket->has_more || socket->read_at < socket->read_end);
}

ssize_t receive_bytes(int fd, void *bytes, size_t count) {
  struct web_socket *socket = web_socket_of[fd];
  if (!socket) return receive_unframed(fd, bytes, count);
  for (;;) {
    if (socket->unpacking) {
      size_t filled = take_compressed(socket, bytes, count);
      if (filled) return (ssize_t)filled;
      ssize_t got = receive_unframed(fd, socket->read, READ_BYTES);
      if (got <= 0) return got;
      socket->read_at = 0;
      socket->read_end = (size_t)got;
      continue;
    }
    ssize_t got = receive_unframed(fd, bytes, count);
    if (got <= 0) return got;
    size_t filled = take_frames(socket, bytes, (size_t)got);
    if (filled) return (ssize_t)filled;
  }
}

static size_t write_header(char *frame, size_t payload_bytes, bool is_compressed) {
  size_t length_bytes = payload_bytes > 65535 ? 8 : payload_bytes > 125 ? 2 : 0;
  frame[0] = (char)(0x82 | (is_compressed ? COMPRESSED_BIT : 0));
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

// Writes one frame of all the bytes. Returns its end.
static size_t write_frame(struct web_socket *socket, const void *bytes, size_t count) {
  bool is_compressed = socket->packing && count >= COMPRESSED_FROM;
  if (!is_compressed) {
    socket->framed = NULL;
    size_t header_bytes = write_header(socket->frame, count, false);
    mask_payload(socket->frame + header_bytes, bytes, count);
    return header_bytes + count;
  }
  if (socket->framed == bytes && socket->framed_bytes == count) return socket->framed_end;
  static char packed[2 * FRAME_BYTES_MAX];
  size_t packed_bytes = pack(socket->packing, bytes, count, packed, sizeof packed);
  size_t header_bytes = write_header(socket->frame, packed_bytes, true);
  mask_payload(socket->frame + header_bytes, packed, packed_bytes);
  socket->framed = bytes;
  socket->framed_bytes = count;
  return socket->framed_end = header_bytes + packed_bytes;
}

ssize_t send_bytes(int fd, const void *bytes, size_t count) {
  struct web_socket *socket = web_socket_of[fd];
  if (!socket) return send_unframed(fd, bytes, count);
  if (!socket->frame) socket->frame = allocate(HEADER_BYTES_MAX + 2 * FRAME_BYTES_MAX);
  while (socket->owed_at < socket->owed_end) {
    ssize_t written = send_unframed(fd, socket->frame + socket->owed_at, socket->owed_end - socket->owed_at);
    if (written < 0) return written;
    socket->owed_at += (size_t)written;
  }
  if (count > FRAME_BYTES_MAX) count = FRAME_BYTES_MAX;
  size_t end = write_frame(socket, bytes, count);
  ssize_t written = send_unframed(fd, socket->frame, end);
  if (written < 0) return written;
  socket->owed_at = (size_t)written;
  socket->owed_end = end;
  return (ssize_t)count;
}
