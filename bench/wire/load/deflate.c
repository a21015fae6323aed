// Compresses and decompresses messages with the system's zlib. It is loaded when it is first needed, so its headers are
// not needed.
//
// Each message is compressed by itself (no context takeover), as nats-server does it.
#define _GNU_SOURCE
#include "deflate.h"
#include "load.h"

#include <dlfcn.h>
#include <string.h>

enum { OK = 0, BUFFER_ERROR = -5, SYNC_FLUSH = 2, DEFLATED = 8, RAW_WINDOW_BITS = -15, MEMORY_LEVEL = 8, FASTEST = 1 };
// Every flushed block ends with these bytes, which a message leaves out.
static const unsigned char BLOCK_END[4] = {0x00, 0x00, 0xff, 0xff};

// zlib's z_stream.
struct flow {
  const unsigned char *in;
  unsigned in_bytes;
  unsigned long in_total;
  unsigned char *out;
  unsigned out_bytes;
  unsigned long out_total;
  const char *problem;
  void *state, *allocate, *free, *opaque;
  int data_type;
  unsigned long checksum, reserved;
};

static struct {
  int (*begin_packing)(struct flow *, int, int, int, int, int, const char *, int);
  int (*pack)(struct flow *, int);
  int (*reset_packing)(struct flow *);
  int (*begin_unpacking)(struct flow *, int, const char *, int);
  int (*unpack)(struct flow *, int);
  int (*reset_unpacking)(struct flow *);
  const char *version;
} zlib;

static void *find(void *library, const char *name) {
  void *function = dlsym(library, name);
  if (!function) fail("zlib has no %s", name);
  return function;
}

static void load_zlib(void) {
  if (zlib.version) return;
  void *library = dlopen("libz.so.1", RTLD_NOW);
  if (!library) fail("--compressed needs zlib: %s", dlerror());
  *(void **)&zlib.begin_packing = find(library, "deflateInit2_");
  *(void **)&zlib.pack = find(library, "deflate");
  *(void **)&zlib.reset_packing = find(library, "deflateReset");
  *(void **)&zlib.begin_unpacking = find(library, "inflateInit2_");
  *(void **)&zlib.unpack = find(library, "inflate");
  *(void **)&zlib.reset_unpacking = find(library, "inflateReset");
  const char *(*version)(void);
  *(void **)&version = find(library, "zlibVersion");
  zlib.version = version();
}

struct flow *new_packing(void) {
  load_zlib();
  struct flow *flow = allocate(sizeof *flow);
  int size = sizeof *flow;
  if (zlib.begin_packing(flow, FASTEST, DEFLATED, RAW_WINDOW_BITS, MEMORY_LEVEL, 0, zlib.version, size))
    fail("zlib does not compress");
  return flow;
}

struct flow *new_unpacking(void) {
  load_zlib();
  struct flow *flow = allocate(sizeof *flow);
  if (zlib.begin_unpacking(flow, RAW_WINDOW_BITS, zlib.version, sizeof *flow)) fail("zlib does not decompress");
  return flow;
}

size_t pack(struct flow *flow, const void *bytes, size_t count, void *out, size_t room) {
  flow->in = bytes;
  flow->in_bytes = (unsigned)count;
  flow->out = out;
  flow->out_bytes = (unsigned)room;
  int result = zlib.pack(flow, SYNC_FLUSH);
  size_t packed = room - flow->out_bytes;
  if (result || flow->in_bytes || !flow->out_bytes || packed < sizeof BLOCK_END) fail("%zu bytes do not compress", count);
  zlib.reset_packing(flow);
  return packed - sizeof BLOCK_END;
}

size_t unpack(struct flow *flow, const void *bytes, size_t *count, void *out, size_t room) {
  flow->in = bytes;
  flow->in_bytes = (unsigned)*count;
  flow->out = out;
  flow->out_bytes = (unsigned)room;
  int result = zlib.unpack(flow, SYNC_FLUSH);
  if (result != OK && result != BUFFER_ERROR) fail("what the server compressed is broken: %s", flow->problem);
  *count -= flow->in_bytes;
  return room - flow->out_bytes;
}

void end_message(struct flow *flow) {
  char more;
  size_t count = sizeof BLOCK_END;
  if (unpack(flow, BLOCK_END, &count, &more, 1) || count < sizeof BLOCK_END) fail("a message goes on behind its end");
  zlib.reset_unpacking(flow);
}
