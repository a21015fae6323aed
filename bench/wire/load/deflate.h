// Compressed messages of WebSockets (permessage-deflate); see deflate.c.
#ifndef DEFLATE_H
#define DEFLATE_H

#include <stddef.h>

struct flow;

struct flow *new_packing(void);
// Compresses a whole message. Returns how many of the `room` bytes at `out` it takes.
size_t pack(struct flow *flow, const void *bytes, size_t count, void *out, size_t room);

struct flow *new_unpacking(void);
// Decompresses as much of a message as fits. `count` becomes how many bytes were used. Returns how many came out. If
// these are fewer than there is room for, there is nothing more until further bytes come.
size_t unpack(struct flow *flow, const void *bytes, size_t *count, void *out, size_t room);
// Ends a message, all of which has come out.
void end_message(struct flow *flow);

#endif
