// Parses deliveries whose length is not known beforehand. A message that crosses a service import has a header block
// that the server writes, and a reply subject that it makes up.
#define _GNU_SOURCE
#include "load.h"

#include <stdlib.h>
#include <string.h>

enum { FIELDS_MAX = 6 }; // HMSG subject sid reply header-bytes total-bytes

size_t parse_delivery(const char *bytes, size_t count, struct delivery *delivery) {
  const char *line_feed = memchr(bytes, '\n', count);
  if (!line_feed) return 0;
  const char *fields[FIELDS_MAX + 1], *end = line_feed - 1; // where the CR is
  size_t field_count = 0;
  for (const char *at = bytes; at < end && field_count < FIELDS_MAX;) {
    fields[field_count++] = at;
    const char *blank = memchr(at, ' ', (size_t)(end - at));
    at = blank ? blank + 1 : end + 1;
  }
  fields[field_count] = end + 1;
  bool is_headed = bytes[0] == 'H';
  size_t size_count = is_headed ? 2 : 1;
  if (field_count < 3 + size_count) fail("not a delivery: %.*s", (int)(end - bytes), bytes);
  size_t total_bytes = strtoul(fields[field_count - 1], NULL, 10);
  delivery->subject = fields[1];
  delivery->subject_bytes = (size_t)(fields[2] - fields[1]) - 1;
  bool has_reply = field_count == 4 + size_count;
  delivery->reply = has_reply ? fields[3] : NULL;
  delivery->reply_bytes = has_reply ? (size_t)(fields[4] - fields[3]) - 1 : 0;
  size_t header_bytes = is_headed ? strtoul(fields[field_count - 2], NULL, 10) : 0;
  if (header_bytes > total_bytes) fail("a header longer than its message: %.*s", (int)(end - bytes), bytes);
  delivery->payload = line_feed + 1 + header_bytes;
  delivery->payload_bytes = total_bytes - header_bytes;
  size_t length = (size_t)(line_feed + 1 - bytes) + total_bytes + 2;
  if (length > count) return 0;
  if (memcmp(bytes + length - 2, "\r\n", 2)) fail("a delivery without its end: %.*s", (int)(end - bytes), bytes);
  return length;
}
