// Kind "request": each connection has one request under way, and one more connection answers all of them.
//
// With --fresh-inbox each request first subscribes to an inbox of its own, and tells the server to end that
// subscription after one message, as clients do that keep no inbox: SUB, UNSUB and PUB go out in one write. Every reply
// is compared with the request that it must answer. A latency is the time from the write to the reply.
#define _GNU_SOURCE
#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
  LATENCIES_MAX = 8000000,
  READ_BYTES = 256 * 1024, // of the responder
  CONTROL_BYTES = 4096,    // of a control line that comes before a reply
  EVENTS = 1024,
  MARK_CHARACTERS = 14,
  RESPONDER = 0, // its tag; a requester's is its number + 1
};

struct requester {
  int fd;
  unsigned number; // of the connection
  unsigned sequence;
  char *request, *reply, *received;
  size_t received_bytes;
  uint64_t sent_ns;
};

static const struct options *options;
static struct requester *requesters;
static int epoll_fd, responder_fd;
static size_t request_bytes, reply_bytes, heard_bytes, answer_bytes, inbox_bytes, size_and_payload_bytes;
static char *heard, *answers; // what the responder has read and not answered yet; what it writes
static size_t heard_length;

static const char SERVICE[] = "service.echo";
static char size_text[16];

static int write_inbox(char *out, const struct requester *requester) {
  return options->fresh_inbox ? sprintf(out, "_INBOX.%06u.%08u", requester->number, requester->sequence)
                              : sprintf(out, "_INBOX.%06u", requester->number);
}

// Encodes the next request, and the reply that it must get.
static void encode(struct requester *requester) {
  char inbox[64], mark[MARK_CHARACTERS + 1], *out = requester->request;
  requester->sequence = (requester->sequence + 1) % 100000000;
  write_inbox(inbox, requester);
  unsigned sid = options->fresh_inbox ? 100000000 + requester->sequence : 1;
  if (options->fresh_inbox) out += sprintf(out, "SUB %s %u\r\nUNSUB %u 1\r\n", inbox, sid, sid);
  out += sprintf(out, "PUB %s %s %s\r\n", SERVICE, inbox, size_text);
  sprintf(mark, "%06u%08u", requester->number, requester->sequence);
  memcpy(out, mark, MARK_CHARACTERS); // filler and CR LF were written once
  out = requester->reply + sprintf(requester->reply, "MSG %s %u %s\r\n", inbox, sid, size_text);
  memcpy(out, mark, MARK_CHARACTERS);
}

static void lay_out(struct requester *requester) {
  char inbox[64];
  inbox_bytes = (size_t)write_inbox(inbox, requester);
  size_t sid_bytes = options->fresh_inbox ? 9 : 1, service_bytes = sizeof SERVICE - 1;
  size_and_payload_bytes = strlen(size_text) + 2 + (size_t)options->payload_bytes + 2;
  answer_bytes = 4 + inbox_bytes + 1 + size_and_payload_bytes;
  heard_bytes = 4 + service_bytes + 1 + 1 + 1 + inbox_bytes + 1 + size_and_payload_bytes;
  reply_bytes = 4 + inbox_bytes + 1 + sid_bytes + 1 + size_and_payload_bytes;
  request_bytes = 4 + service_bytes + 1 + inbox_bytes + 1 + size_and_payload_bytes;
  if (options->fresh_inbox) request_bytes += 4 + inbox_bytes + 1 + sid_bytes + 2 + 6 + sid_bytes + 4;
  requester->request = allocate(request_bytes + 1);
  requester->reply = allocate(reply_bytes + 1);
  requester->received = allocate(CONTROL_BYTES + reply_bytes);
  memset(requester->request, 'x', request_bytes);
  memset(requester->reply, 'x', reply_bytes);
  memcpy(requester->request + request_bytes - 2, "\r\n", 2);
  memcpy(requester->reply + reply_bytes - 2, "\r\n", 2);
}

static void send_request(struct requester *requester) {
  encode(requester);
  requester->sent_ns = now_ns();
  ssize_t written = send_bytes(requester->fd, requester->request, request_bytes);
  if (written != (ssize_t)request_bytes) fail("a request of %zu bytes did not fit into the socket", request_bytes);
}

// Reads part of a reply. Returns whether it is complete and right.
static bool receive_reply(struct requester *requester) {
  ssize_t got = receive_bytes(requester->fd, requester->received + requester->received_bytes,
                     CONTROL_BYTES + reply_bytes - requester->received_bytes);
  if (got < 0 && errno == EAGAIN) return false;
  if (got <= 0)
    fail("a requester was closed (%s); received before: %.*s", got ? strerror(errno) : "end of stream",
         (int)requester->received_bytes, requester->received);
  requester->received_bytes += (size_t)got;
  while (requester->received_bytes && requester->received[0] != 'M') { // a control line came between
    char *line_feed = memchr(requester->received, '\n', requester->received_bytes);
    if (!line_feed) return false;
    size_t length = (size_t)(line_feed - requester->received) + 1;
    check_control_line(requester->received, length);
    requester->received_bytes -= length;
    memmove(requester->received, requester->received + length, requester->received_bytes);
  }
  if (requester->received_bytes < reply_bytes) return false;
  if (memcmp(requester->received, requester->reply, reply_bytes))
    fail("a reply that does not answer the request: %.*s", (int)reply_bytes, requester->received);
  requester->received_bytes -= reply_bytes; // a control line may follow, also when no further request does
  memmove(requester->received, requester->received + reply_bytes, requester->received_bytes);
  return true;
}

// Writes the answer to the request at the start of `bytes`. Returns the request's length, or 0 if it is not complete.
static size_t answer_plain(const char *bytes, size_t count, char *out, size_t *out_bytes) {
  if (heard_bytes > count) return 0;
  memcpy(out, "PUB ", 4);
  memcpy(out + 4, bytes + 4 + sizeof SERVICE + 2, answer_bytes - 4);
  *out_bytes = answer_bytes;
  return heard_bytes;
}

// The same for a request whose length depends on the headers that the import adds.
static size_t answer_headed(const char *bytes, size_t count, char *out, size_t *out_bytes) {
  struct delivery request;
  size_t length = parse_delivery(bytes, count, &request);
  if (!length) return 0;
  if (!request.reply || request.payload_bytes != (size_t)options->payload_bytes)
    fail("a request that was never sent: %.*s", (int)length, bytes);
  char *at = out + sprintf(out, "PUB %.*s %s\r\n", (int)request.reply_bytes, request.reply, size_text);
  memcpy(at, request.payload, request.payload_bytes + 2);
  *out_bytes = (size_t)(at - out) + request.payload_bytes + 2;
  return length;
}

static void answer(void) {
  ssize_t got = receive_bytes(responder_fd, heard + heard_length, READ_BYTES - heard_length);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) fail("the server closed the responder");
  heard_length += (size_t)got;
  size_t at = 0, length = 0;
  while (at < heard_length) {
    if (heard[at] != 'M' && heard[at] != 'H') {
      char *line_feed = memchr(heard + at, '\n', heard_length - at);
      if (!line_feed) break;
      check_control_line(heard + at, (size_t)(line_feed - heard) - at);
      at = (size_t)(line_feed - heard) + 1;
      continue;
    }
    size_t written;
    size_t taken = (options->headed ? answer_headed : answer_plain)(heard + at, heard_length - at, answers + length, &written);
    if (!taken) break;
    length += written;
    at += taken;
  }
  heard_length -= at;
  memmove(heard, heard + at, heard_length);
  for (size_t sent = 0; sent < length;) {
    ssize_t written = send_bytes(responder_fd, answers + sent, length - sent);
    if (written < 0 && errno != EAGAIN) fail("write: %s", strerror(errno));
    if (written > 0) sent += (size_t)written;
  }
}

static struct result request(double seconds, uint64_t count, uint32_t *latencies_ns) {
  struct result result = {.started_ns = now_ns(), .latencies_ns = latencies_ns};
  uint64_t load_cpu_before_ns = own_cpu_ns(), deadline_ns = result.started_ns + (uint64_t)(seconds * 1e9);
  uint64_t drained_ns = deadline_ns + (uint64_t)(options->drain_seconds * 1e9), started = 0;
  int under_way = 0;
  for (; under_way < options->connections && (!count || started < count); under_way++, started++)
    send_request(&requesters[under_way]);
  struct epoll_event events[EVENTS];
  while (under_way) {
    int ready = epoll_wait(epoll_fd, events, EVENTS, 1000);
    uint64_t now = now_ns();
    if (now > drained_ns) fail("%d requests without a reply after %.0f s", under_way, options->drain_seconds);
    for (int i = 0; i < ready; i++) {
      uint64_t tag = events[i].data.u64;
      if (tag == RESPONDER) {
        answer();
        continue;
      }
      struct requester *requester = &requesters[tag - 1];
      if (!receive_reply(requester)) continue;
      now = now_ns();
      if (result.latency_count < LATENCIES_MAX) latencies_ns[result.latency_count++] = (uint32_t)(now - requester->sent_ns);
      result.messages++;
      if (now < deadline_ns && (!count || started < count)) {
        if (options->pause_us) usleep((useconds_t)options->pause_us);
        send_request(requester), started++;
      } else under_way--;
    }
  }
  result.deliveries = result.messages * 2;
  result.ended_ns = now_ns();
  result.load_cpu_ns = own_cpu_ns() - load_cpu_before_ns;
  return result;
}

void run_request(const struct options *given) {
  options = given;
  if (options->payload_bytes <= MARK_CHARACTERS || options->payload_bytes > 60000)
    fail("--payload-bytes %d: %d to 60000", options->payload_bytes, MARK_CHARACTERS + 1);
  if (options->pause_us && options->connections > 1) fail("--pause-us would stop all %d connections", options->connections);
  sprintf(size_text, "%d", options->payload_bytes);
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  requesters = allocate((size_t)options->connections * sizeof *requesters);
  heard = allocate(READ_BYTES);
  answers = allocate(READ_BYTES);
  const struct options responder = on_subscriber_port(options);
  responder_fd = open_connection(&responder, options->subscriber_login);
  for (int b = 0; b < options->between; b++) open_connection(options, options->login);
  for (int c = 0; c < options->connections; c++) {
    requesters[c].number = (unsigned)c;
    requesters[c].fd = open_connection(options, options->login);
    lay_out(&requesters[c]);
  }
  reach_phase("base");
  write_line(responder_fd, "SUB %s 1\r\n", SERVICE);
  await_pong(responder_fd);
  struct epoll_event event = {.events = EPOLLIN, .data.u64 = RESPONDER};
  set_nonblocking(responder_fd);
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, responder_fd, &event);
  for (int c = 0; c < options->connections; c++) {
    struct requester *requester = &requesters[c];
    if (!options->fresh_inbox) {
      char inbox[64];
      write_inbox(inbox, requester);
      write_line(requester->fd, "SUB %s 1\r\n", inbox);
    }
    await_pong(requester->fd);
    set_nonblocking(requester->fd);
    event.data.u64 = (uint64_t)c + 1;
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, requester->fd, &event);
  }
  reach_phase("prepared");
  uint32_t *latencies_ns = allocate(LATENCIES_MAX * sizeof *latencies_ns);
  if (options->warm_seconds > 0) request(options->warm_seconds, options->count, latencies_ns);
  reach_phase("ready");
  struct result result = request(options->seconds, options->count, latencies_ns);
  report(&result);
}
