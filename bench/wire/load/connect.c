// Kinds "storm" (connections that come and go at once) and "idle" (connections that stay and say nothing).
#define _GNU_SOURCE
#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { LATENCIES_MAX = 2000000, EVENTS = 256, LINE_BYTES = 8192, PORTS_PER_ADDRESS = 20000, LOCAL_ADDRESSES = 200 };

struct visitor {
  int fd;
  uint64_t started_ns;
  bool is_shaking; // INFO is complete, the TLS handshake is not
  bool is_greeted; // CONNECT and PING are sent
  char received[LINE_BYTES]; // starts with INFO, a string, while the handshake lasts
  size_t received_bytes;
};

static const struct options *options;
static int epoll_fd;

static void arrive(struct visitor *visitor, uint64_t tag) {
  static unsigned arrivals;
  visitor->started_ns = now_ns();
  visitor->is_shaking = false;
  visitor->is_greeted = false;
  visitor->received_bytes = 0;
  visitor->fd = open_socket(options, arrivals++ / PORTS_PER_ADDRESS % LOCAL_ADDRESSES);
  set_nonblocking(visitor->fd);
  struct epoll_event event = {.events = EPOLLIN, .data.u64 = tag};
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, visitor->fd, &event)) fail("epoll_ctl: %s", strerror(errno));
}

// Sends CONNECT and PING. `received` is INFO, which is forgotten then.
static void greet(struct visitor *visitor) {
  char greeting[CONNECT_BYTES_MAX];
  write_all(visitor->fd, greeting, write_connect(greeting, options, options->login, visitor->received));
  visitor->is_greeted = true;
  visitor->received_bytes = 0;
}

// Takes what a visitor has received. Returns whether it has its PONG.
static bool hear(struct visitor *visitor) {
  if (visitor->is_shaking) {
    if (!handshake(visitor->fd)) return false;
    visitor->is_shaking = false;
    greet(visitor);
  }
  ssize_t got = receive_bytes(visitor->fd, visitor->received + visitor->received_bytes, LINE_BYTES - visitor->received_bytes);
  if (got < 0 && errno == EAGAIN) return false;
  if (got <= 0) fail("the server closed a new connection");
  visitor->received_bytes += (size_t)got;
  char *line_feed;
  while ((line_feed = memchr(visitor->received, '\n', visitor->received_bytes))) {
    size_t length = (size_t)(line_feed - visitor->received) + 1;
    check_control_line(visitor->received, length);
    if (!memcmp(visitor->received, "PONG", 4)) return true;
    if (visitor->is_greeted) {
      visitor->received_bytes -= length;
      memmove(visitor->received, visitor->received + length, visitor->received_bytes);
      continue;
    }
    if (length < visitor->received_bytes) fail("the server sent more than INFO before CONNECT");
    *line_feed = 0;
    if (!options->tls) {
      greet(visitor);
      return false;
    }
    begin_tls(visitor->fd, options->resumed);
    visitor->is_shaking = true;
    handshake(visitor->fd);
    return false;
  }
  return false;
}

static struct result storm(double seconds, uint64_t count, uint32_t *latencies_ns) {
  static struct visitor visitors[EVENTS];
  struct result result = {.started_ns = now_ns(), .latencies_ns = latencies_ns};
  uint64_t load_cpu_before_ns = own_cpu_ns(), deadline_ns = result.started_ns + (uint64_t)(seconds * 1e9);
  uint64_t drained_ns = deadline_ns + (uint64_t)(options->drain_seconds * 1e9), started = 0;
  int under_way = 0;
  for (; under_way < options->connections && (!count || started < count); under_way++, started++)
    arrive(&visitors[under_way], (uint64_t)under_way);
  struct epoll_event events[EVENTS];
  while (under_way) {
    int ready = epoll_wait(epoll_fd, events, EVENTS, 1000);
    if (now_ns() > drained_ns) fail("%d connections without a PONG after %.0f s", under_way, options->drain_seconds);
    for (int i = 0; i < ready; i++) {
      uint64_t tag = events[i].data.u64;
      struct visitor *visitor = &visitors[tag];
      if (!hear(visitor)) continue;
      uint64_t now = now_ns();
      if (result.latency_count < LATENCIES_MAX) latencies_ns[result.latency_count++] = (uint32_t)(now - visitor->started_ns);
      close_connection(visitor->fd);
      result.messages++;
      if (now < deadline_ns && (!count || started < count)) arrive(visitor, tag), started++;
      else under_way--;
    }
  }
  result.ended_ns = now_ns();
  result.load_cpu_ns = own_cpu_ns() - load_cpu_before_ns;
  return result;
}

void run_storm(const struct options *given) {
  options = given;
  if (options->connections < 1 || options->connections > EVENTS) fail("--connections %d: 1 to %d", options->connections, EVENTS);
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  uint32_t *latencies_ns = allocate(LATENCIES_MAX * sizeof *latencies_ns);
  reach_phase("base");
  reach_phase("prepared");
  if (options->warm_seconds > 0) storm(options->warm_seconds, options->count, latencies_ns);
  reach_phase("ready");
  struct result result = storm(options->seconds, options->count, latencies_ns);
  report(&result);
}

// `count` has no effect: the connections are the count, and the measured part only waits.
void run_idle(const struct options *given) {
  options = given;
  int last = open_connection(options, options->login); // what the first connection costs belongs to the base
  reach_phase("base");
  for (int c = 0; c < options->connections; c++) {
    last = open_connection(options, options->login);
    write_line(last, "SUB idle.%06d 1\r\n", c);
    await_pong(last);
  }
  reach_phase("prepared");
  usleep((useconds_t)(options->warm_seconds * 1e6));
  reach_phase("ready");
  struct result result = {.messages = (uint64_t)options->connections, .started_ns = now_ns()};
  usleep((useconds_t)(options->seconds * 1e6));
  await_pong(last);
  result.ended_ns = now_ns();
  report(&result);
}
