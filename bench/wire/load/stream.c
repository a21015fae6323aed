// Kind "stream": publishers send as fast as the server reads, and subscribers check and count what arrives.
//
// Each publisher sends one batch of frames over and over. All frames of a run have the same length, and so have all
// deliveries, so a subscriber knows where each delivery starts. It looks at the first and the last byte of each, and
// once in CHECK_EVERY reads at every byte and at the order. At the end, each message must have arrived everywhere.
//
// A payload is a letter for the publisher, five hexadecimal digits for the frame's place in the batch, and filler.
#define _GNU_SOURCE
#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
  BATCH_BYTES = 256 * 1024, // of frames a publisher repeats; more when subjects must vary
  VARIED_FRAMES = 200000,   // in the batch when subjects vary, so that no small cache holds them all
  WRITE_BYTES = 128 * 1024, // a turn
  READ_BYTES = 256 * 1024,  // a read
  CHECK_EVERY = 64,         // reads
  EVENTS = 1024,
  MARK_CHARACTERS = 6,      // publisher and place at the start of a payload
  LITERAL_SID = 1000000,    // first of the literal subscriptions; one width for all
  WILDCARD_SID = 100000,
  WILDCARD_KINDS = 4,
};

static const char PUBLISHED[] = "orders.created"; // unless subjects vary

struct publisher {
  int fd;
  char letter;
  char *batch;
  uint64_t sent_bytes, limit_bytes; // stops at the limit, a multiple of a frame
  int ping_bytes_sent;              // of the PING after the last frame
  bool acknowledged;                // its PONG is here: the server has read everything
  bool is_write_wanted;
};

struct subscriber {
  int fd;
  uint64_t deliveries;
  size_t skip_bytes;          // of a delivery that began in an earlier read
  bool is_last_byte_due;      // when the skipped bytes end, the last one must be a line feed
  char control_line[512];     // of one that is not complete yet
  size_t control_length;
  unsigned reads;
  char *kept;                 // headed: the start of a delivery that is not complete yet
  size_t kept_bytes;
};

static const struct options *options;
static struct publisher *publishers;
static struct subscriber *subscribers;
static int epoll_fd;
static char *read_buffer;
static size_t batch_frames, frame_bytes, subject_bytes, delivered_bytes, size_and_payload_bytes, delivery_bytes;
static int deliveries_per_message;

// ---- subjects -----------------------------------------------------------------------------------------------------

static uint64_t random_state = 0x9e3779b97f4a7c15ull; // a fixed seed: each run sends the same
static uint32_t next_random(uint32_t bound) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (uint32_t)((random_state >> 11) % bound);
}

static int literal_subject(char *out, uint32_t index) {
  return sprintf(out, "device.%03u.sensor.%03u", index / 1000, index % 1000);
}

// There are four subscriptions with each number, one per pattern. A published subject with numbers a and b matches
// four.
static int wildcard_subject(char *out, uint32_t index) {
  static const char *const patterns[WILDCARD_KINDS] = {"order.%05u.>", "order.%05u.*.new", "order.*.%05u.new", "*.%05u.*.*"};
  return sprintf(out, patterns[index % WILDCARD_KINDS], index / WILDCARD_KINDS);
}

static int published_subject(char *out) {
  if (options->literals) {
    uint32_t index = next_random((uint32_t)options->literals);
    return literal_subject(out, index);
  }
  if (options->wildcards) {
    uint32_t numbers = (uint32_t)options->wildcards / WILDCARD_KINDS;
    return sprintf(out, "order.%05u.%05u.new", next_random(numbers), next_random(numbers));
  }
  return sprintf(out, "%s", PUBLISHED);
}

// Whether a subscription with this sid may receive a message with this subject.
static bool is_sid_right(const char *subject, const char *sid_text) {
  long sid = atol(sid_text);
  if (options->literals) {
    long index = atol(subject + 7) * 1000 + atol(subject + 18);
    return sid == LITERAL_SID + index;
  }
  if (options->wildcards) {
    long index = sid - WILDCARD_SID, number = index / WILDCARD_KINDS, kind = index % WILDCARD_KINDS;
    return number == atol(subject + (kind == 2 ? 12 : 6));
  }
  return sid == 1;
}

// ---- preparing ----------------------------------------------------------------------------------------------------

// Gives one object after the other, whose keys repeat and whose values mostly do not.
static char next_json_character(void) {
  static const char *const states[] = {"new", "paid", "sent", "returned"};
  static char object[160];
  static int at, length;
  if (at == length) {
    at = 0;
    length = sprintf(object, "{\"id\":%u,\"customer\":\"%07x\",\"state\":\"%s\",\"items\":%u,\"total\":%u.%02u},", next_random(1000000),
                     next_random(1 << 28), states[next_random(4)], 1 + next_random(9), next_random(500), next_random(100));
  }
  return object[at++];
}

static char filler(size_t place, int i) {
  return options->json ? next_json_character() : (char)('a' + (i + (int)place) % 26);
}

static void fill_batch(struct publisher *publisher) {
  char subject[64], size[16];
  bool is_varied = options->literals || options->wildcards;
  subject_bytes = (size_t)published_subject(subject);
  int size_characters = sprintf(size, "%d", options->payload_bytes);
  size_and_payload_bytes = (size_t)size_characters + 2 + (size_t)options->payload_bytes + 2;
  frame_bytes = 4 + subject_bytes + 1 + size_and_payload_bytes;
  batch_frames = is_varied ? VARIED_FRAMES : (BATCH_BYTES + frame_bytes - 1) / frame_bytes;
  publisher->batch = allocate(batch_frames * frame_bytes + 1);
  char *out = publisher->batch;
  for (size_t place = 0; place < batch_frames; place++) {
    memcpy(out, "PUB ", 4);
    out += 4;
    out += published_subject(out);
    out += sprintf(out, " %s\r\n", size);
    char mark[MARK_CHARACTERS + 1];
    snprintf(mark, sizeof mark, "%c%05x", publisher->letter, (unsigned)place & 0xfffff);
    for (int i = 0; i < options->payload_bytes; i++) *out++ = i < MARK_CHARACTERS ? mark[i] : filler(place, i);
    *out++ = '\r';
    *out++ = '\n';
  }
}

static void subscribe_all(void) {
  char *lines = allocate(64 * 1024);
  int many = options->literals ? options->literals : options->wildcards;
  for (int s = 0; s < options->subscribers; s++) {
    int fd = subscribers[s].fd;
    if (!many) {
      write_line(fd, "SUB %s%s 1\r\n", options->delivered ? options->delivered : PUBLISHED, options->queue ? " workers" : "");
      await_pong(fd);
      continue;
    }
    size_t length = 0;
    int lines_since_pong = 0;
    for (int index = s; index < many; index += options->subscribers) {
      memcpy(lines + length, "SUB ", 4);
      length += 4;
      length += (size_t)(options->literals ? literal_subject : wildcard_subject)(lines + length, (uint32_t)index);
      length += (size_t)sprintf(lines + length, " %d\r\n", (options->literals ? LITERAL_SID : WILDCARD_SID) + index);
      bool is_last = index + options->subscribers >= many;
      if (length > 63 * 1024 || is_last) {
        write_all(fd, lines, length);
        length = 0;
      }
      if (++lines_since_pong == 20000 || is_last) {
        write_all(fd, lines, length);
        length = 0;
        lines_since_pong = 0;
        await_pong(fd);
      }
    }
  }
  free(lines);
}

// What waits in a publisher's socket when the time is up must still be delivered. So it is less the more subscribers
// there are.
static void bound_send_buffer(int fd) {
  int bytes = 1024 * 1024 / (deliveries_per_message + 1);
  if (bytes > 256 * 1024) bytes = 256 * 1024;
  if (bytes < 16 * 1024) bytes = 16 * 1024;
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

static void watch(int operation, int fd, uint32_t events, uint64_t tag) {
  struct epoll_event event = {.events = events, .data.u64 = tag};
  if (epoll_ctl(epoll_fd, operation, fd, &event)) fail("epoll_ctl: %s", strerror(errno));
}

// ---- the measured loop --------------------------------------------------------------------------------------------

// The place of the frame that a payload says it comes from, and the publisher of that frame.
static size_t find_place(const char *payload, struct publisher **source) {
  char place_text[6] = {0};
  memcpy(place_text, payload + 1, 5);
  size_t place = strtoul(place_text, NULL, 16), publisher = (size_t)(payload[0] - 'A');
  if (publisher >= (size_t)options->publishers || place >= batch_frames)
    fail("a payload that was never sent: %.40s", payload);
  *source = &publishers[publisher];
  return place;
}

// Compares a whole delivery with the frame that it must come from. Returns that frame's place; `source` is its
// publisher.
static size_t check_delivery(const char *delivery, struct publisher **source) {
  const char *end = delivery + delivery_bytes;
  size_t place = find_place(end - 2 - options->payload_bytes, source);
  const char *frame = (*source)->batch + place * frame_bytes, *subject = delivery + 4;
  if (memcmp(delivery, "MSG ", 4) || memcmp(subject, options->delivered ? options->delivered : frame + 4, delivered_bytes) ||
      subject[delivered_bytes] != ' ' ||
      memcmp(end - size_and_payload_bytes, frame + frame_bytes - size_and_payload_bytes, size_and_payload_bytes) ||
      !is_sid_right(subject, subject + delivered_bytes + 1))
    fail("a delivery that differs from what was sent: %.*s", (int)(delivery_bytes < 200 ? delivery_bytes : 200), delivery);
  return place;
}

// Checks every byte of the deliveries that lie completely in `bytes`, and their order if the stream must keep it.
static void check_deliveries(const char *bytes, size_t count) {
  size_t expected_place['Z'] = {0};
  bool is_ordered = !options->queue && !options->wildcards;
  for (; count >= delivery_bytes && *bytes == 'M'; bytes += delivery_bytes, count -= delivery_bytes) {
    struct publisher *source;
    size_t place = check_delivery(bytes, &source), *expected = &expected_place[(size_t)source->letter];
    if (is_ordered && !options->literals && *expected && *expected != place + 1)
      fail("out of order: message %zu of publisher %c came where %zu was due", place, source->letter, *expected - 1);
    *expected = (place + 1) % batch_frames + 1; // plus 1: 0 means none seen yet
  }
}

static size_t take_control_bytes(struct subscriber *subscriber, const char *bytes, size_t count) {
  const char *line_feed = memchr(bytes, '\n', count);
  size_t taken = line_feed ? (size_t)(line_feed - bytes) + 1 : count;
  if (subscriber->control_length + taken >= sizeof subscriber->control_line)
    fail("a line of more than %zu bytes from the server: %.60s", sizeof subscriber->control_line, subscriber->control_line);
  memcpy(subscriber->control_line + subscriber->control_length, bytes, taken);
  subscriber->control_length += taken;
  if (line_feed) {
    check_control_line(subscriber->control_line, subscriber->control_length);
    subscriber->control_length = 0;
  }
  return taken;
}

static uint64_t receive(struct subscriber *subscriber) {
  ssize_t got = receive_bytes(subscriber->fd, read_buffer, READ_BYTES);
  if (got < 0 && errno == EAGAIN) return 0;
  if (got <= 0) fail("the server closed a subscriber after %llu deliveries", (unsigned long long)subscriber->deliveries);
  size_t count = (size_t)got, at = 0;
  uint64_t before = subscriber->deliveries;
  bool is_check_due = subscriber->reads++ % CHECK_EVERY == 0;
  if (subscriber->skip_bytes) {
    at = subscriber->skip_bytes < count ? subscriber->skip_bytes : count;
    subscriber->skip_bytes -= at;
    if (subscriber->skip_bytes) return 0;
    if (read_buffer[at - 1] != '\n') fail("a delivery of another length than %zu bytes", delivery_bytes);
    subscriber->deliveries++;
  }
  while (at < count) {
    if (subscriber->control_length || read_buffer[at] != 'M') {
      at += take_control_bytes(subscriber, read_buffer + at, count - at);
      continue;
    }
    if (is_check_due) check_deliveries(read_buffer + at, count - at), is_check_due = false;
    size_t next = at + delivery_bytes;
    if (next > count) {
      subscriber->skip_bytes = next - count;
      break;
    }
    if (read_buffer[next - 1] != '\n') fail("a delivery of another length than %zu bytes: %.60s", delivery_bytes, read_buffer + at);
    subscriber->deliveries++;
    at = next;
  }
  return subscriber->deliveries - before;
}

// Receives deliveries that crossed a service import. Each is parsed, because headers may differ in length.
static uint64_t receive_headed(struct subscriber *subscriber) {
  if (!subscriber->kept) subscriber->kept = allocate(READ_BYTES);
  char *bytes = subscriber->kept;
  ssize_t got = receive_bytes(subscriber->fd, bytes + subscriber->kept_bytes, READ_BYTES - subscriber->kept_bytes);
  if (got < 0 && errno == EAGAIN) return 0;
  if (got <= 0) fail("the server closed a subscriber after %llu deliveries", (unsigned long long)subscriber->deliveries);
  size_t count = subscriber->kept_bytes + (size_t)got, at = 0, length;
  uint64_t before = subscriber->deliveries;
  size_t expected_place['Z'] = {0};
  const char *wanted = options->delivered ? options->delivered : PUBLISHED;
  for (; at < count; at += length) {
    if (subscriber->control_length || (bytes[at] != 'M' && bytes[at] != 'H')) {
      length = take_control_bytes(subscriber, bytes + at, count - at);
      continue;
    }
    struct delivery delivery;
    length = parse_delivery(bytes + at, count - at, &delivery);
    if (!length) break;
    struct publisher *source;
    size_t place = find_place(delivery.payload, &source), *expected = &expected_place[(size_t)source->letter];
    const char *payload = source->batch + (place + 1) * frame_bytes - 2 - options->payload_bytes;
    if (bytes[at] != 'H' || delivery.subject_bytes != delivered_bytes || memcmp(delivery.subject, wanted, delivered_bytes) ||
        delivery.payload_bytes != (size_t)options->payload_bytes || memcmp(delivery.payload, payload, delivery.payload_bytes))
      fail("a delivery that differs from what was sent: %.*s", (int)(length < 200 ? length : 200), bytes + at);
    if (!options->queue && *expected && *expected != place + 1)
      fail("out of order: message %zu of publisher %c came where %zu was due", place, source->letter, *expected - 1);
    *expected = (place + 1) % batch_frames + 1;
    subscriber->deliveries++;
  }
  subscriber->kept_bytes = count - at;
  memmove(bytes, bytes + at, subscriber->kept_bytes);
  return subscriber->deliveries - before;
}

static void want_write(struct publisher *publisher, bool is_wanted) {
  if (publisher->is_write_wanted == is_wanted) return;
  publisher->is_write_wanted = is_wanted;
  watch(EPOLL_CTL_MOD, publisher->fd, EPOLLIN | (is_wanted ? EPOLLOUT : 0), (uint64_t)(publisher - publishers));
}

static void send_frames(struct publisher *publisher) {
  size_t batch_bytes = batch_frames * frame_bytes, count_max = options->pause_us ? frame_bytes : WRITE_BYTES;
  while (publisher->sent_bytes < publisher->limit_bytes) {
    size_t offset = publisher->sent_bytes % batch_bytes, count = batch_bytes - offset;
    if (count > count_max) count = count_max;
    if (count > publisher->limit_bytes - publisher->sent_bytes) count = publisher->limit_bytes - publisher->sent_bytes;
    ssize_t written = send_bytes(publisher->fd, publisher->batch + offset, count);
    if (written < 0 && errno == EAGAIN) return;
    if (written < 0) fail("write: %s", strerror(errno));
    publisher->sent_bytes += (size_t)written;
    if (options->pause_us) usleep((useconds_t)options->pause_us);
    return; // one write a turn, so that the subscribers are read in between
  }
  ssize_t written = send_bytes(publisher->fd, &"PING\r\n"[publisher->ping_bytes_sent], (size_t)(6 - publisher->ping_bytes_sent));
  if (written > 0) publisher->ping_bytes_sent += (int)written;
  if (publisher->ping_bytes_sent == 6) want_write(publisher, false);
}

static void hear(struct publisher *publisher) {
  char bytes[4096];
  ssize_t got = receive_bytes(publisher->fd, bytes, sizeof bytes);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) fail("the server closed a publisher");
  check_control_line(bytes, (size_t)got);
  if (memmem(bytes, (size_t)got, "PONG", 4)) publisher->acknowledged = true;
}

static void stop_publishing(void) {
  for (int p = 0; p < options->publishers; p++) {
    struct publisher *publisher = &publishers[p];
    uint64_t whole = (publisher->sent_bytes + frame_bytes - 1) / frame_bytes * frame_bytes;
    if (whole < publisher->limit_bytes) publisher->limit_bytes = whole;
  }
}

// Publishes until the time is up or the count is reached. Returns when everything has arrived.
static struct result stream(double seconds, uint64_t count) {
  struct result result = {.started_ns = now_ns()};
  uint64_t load_cpu_before_ns = own_cpu_ns(), deadline_ns = result.started_ns + (uint64_t)(seconds * 1e9);
  uint64_t drained_ns = deadline_ns + (uint64_t)(options->drain_seconds * 1e9);
  uint64_t skipped = 0; // frames that an earlier call sent
  uint64_t count_each = count / (uint64_t)options->publishers + (count % (uint64_t)options->publishers != 0);
  for (int p = 0; p < options->publishers; p++) {
    struct publisher *publisher = &publishers[p];
    publisher->sent_bytes %= batch_frames * frame_bytes; // goes on in the batch where it stopped
    skipped += publisher->sent_bytes / frame_bytes;
    publisher->limit_bytes = count ? publisher->sent_bytes + count_each * frame_bytes : UINT64_MAX / frame_bytes * frame_bytes;
    publisher->ping_bytes_sent = 0;
    publisher->acknowledged = false;
    want_write(publisher, true);
  }
  struct epoll_event events[EVENTS];
  bool is_publishing = true;
  for (;;) {
    int ready = epoll_wait(epoll_fd, events, EVENTS, 100);
    for (int i = 0; i < ready; i++) {
      uint64_t tag = events[i].data.u64;
      if (tag >= (uint64_t)options->publishers) {
        struct subscriber *subscriber = &subscribers[tag - (uint64_t)options->publishers];
        do result.deliveries += (options->headed ? receive_headed : receive)(subscriber);
        while (holds_bytes(subscriber->fd));
        continue;
      }
      if (events[i].events & EPOLLIN) {
        do hear(&publishers[tag]);
        while (holds_bytes(publishers[tag].fd));
      }
      if (events[i].events & EPOLLOUT) send_frames(&publishers[tag]);
    }
    uint64_t now = now_ns();
    if (is_publishing && now > deadline_ns) stop_publishing(), is_publishing = false;
    uint64_t frames = 0;
    bool is_acknowledged = true;
    for (int p = 0; p < options->publishers; p++) {
      frames += publishers[p].sent_bytes / frame_bytes;
      is_acknowledged = is_acknowledged && publishers[p].acknowledged;
    }
    uint64_t messages = frames - skipped, due = messages * (uint64_t)deliveries_per_message;
    if (is_acknowledged && result.deliveries == due) {
      result.messages = messages;
      break;
    }
    if (result.deliveries > due)
      fail("%llu deliveries of %llu messages, more than %llu", (unsigned long long)result.deliveries,
           (unsigned long long)messages, (unsigned long long)due);
    if (now > drained_ns)
      fail("%llu of %llu deliveries arrived within %.0f s", (unsigned long long)result.deliveries, (unsigned long long)due,
           options->drain_seconds);
  }
  result.ended_ns = now_ns();
  result.load_cpu_ns = own_cpu_ns() - load_cpu_before_ns;
  return result;
}

void run_stream(const struct options *given) {
  options = given;
  bool is_varied = options->literals || options->wildcards;
  if (options->payload_bytes < MARK_CHARACTERS) fail("--payload-bytes %d: at least %d", options->payload_bytes, MARK_CHARACTERS);
  if (options->publishers < 1 || options->publishers > 26) fail("--publishers %d: 1 to 26", options->publishers);
  if (options->pause_us && options->publishers > 1) fail("--pause-us would stop all %d publishers", options->publishers);
  if (is_varied && (options->delivered || options->headed)) fail("--delivered and --headed go with one subject");
  if (is_varied && !options->subscribers) fail("--literals and --wildcards need --subscribers");
  if (options->logins && (options->publishers % options->logins || options->subscribers % options->logins))
    fail("--logins %d: publishers and subscribers are to be multiples of it", options->logins);
  if (options->literals > 1000000 || options->wildcards > 400000) fail("at most 1,000,000 literals or 400,000 wildcards");
  publishers = allocate((size_t)options->publishers * sizeof *publishers);
  subscribers = allocate((size_t)options->subscribers * sizeof *subscribers);
  read_buffer = allocate(READ_BYTES);
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  for (int p = 0; p < options->publishers; p++) {
    publishers[p].letter = (char)('A' + p);
    fill_batch(&publishers[p]);
  }
  size_t sid_bytes = options->literals ? 7 : options->wildcards ? 6 : 1;
  delivered_bytes = options->delivered ? strlen(options->delivered) : subject_bytes;
  delivery_bytes = 4 + delivered_bytes + 1 + sid_bytes + 1 + size_and_payload_bytes;
  deliveries_per_message = options->wildcards ? WILDCARD_KINDS
                           : options->literals || options->queue ? 1
                           : options->logins                     ? options->subscribers / options->logins
                                                                 : options->subscribers;
  const struct options subscribing = on_subscriber_port(options);
  for (int s = 0; s < options->subscribers; s++)
    subscribers[s].fd = open_connection(&subscribing, numbered_login(options, options->subscriber_login, s));
  for (int b = 0; b < options->between; b++) open_connection(options, options->login); // stays open until the process ends
  for (int p = 0; p < options->publishers; p++)
    publishers[p].fd = open_connection(options, numbered_login(options, options->login, p));
  reach_phase("base");
  subscribe_all();
  for (int s = 0; s < options->subscribers; s++) {
    set_nonblocking(subscribers[s].fd);
    watch(EPOLL_CTL_ADD, subscribers[s].fd, EPOLLIN, (uint64_t)(options->publishers + s));
  }
  for (int p = 0; p < options->publishers; p++) {
    set_nonblocking(publishers[p].fd);
    bound_send_buffer(publishers[p].fd);
    watch(EPOLL_CTL_ADD, publishers[p].fd, EPOLLIN, (uint64_t)p);
  }
  reach_phase("prepared");
  if (options->warm_seconds > 0) stream(options->warm_seconds, options->count);
  reach_phase("ready");
  struct result result = stream(options->seconds, options->count);
  report(&result);
}
