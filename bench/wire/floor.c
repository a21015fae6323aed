// The floor of the wire bench: a NATS server without features, on one thread. It costs what the kernel and the parsing
// cost. A server with features is measured by its distance from that.
//
//   floor -p 4222
//
// It knows PUB, SUB, UNSUB, PING and queue groups on literal subjects, and trusts everything that a client says. It has
// what a fast server needs: one receive buffer, gathered writes, a bounded backlog per consumer, and a short spin
// before it sleeps.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
  RECEIVE_BYTES = 64 * 1024,
  RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024, // holds an unfinished message and what a read adds
  FRAMED_BYTES = 64 * 1024,               // framed and not yet written, a connection
  PIECES_MAX = 256,                       // of one writev
  GATHER_BYTES = 512,                     // a payload of this size is written from where it was received
  BACKLOG_BYTES = 512 * 1024,             // above it, who publishes to this connection is not read
  NAME_BYTES = 128,
  BUCKETS = 1 << 20,
  SPINS = 200, // polls before sleep: some 50 µs
  EVENTS = 256,
};

struct subscription {
  struct connection *connection;
  struct subject *subject;
  struct group *group;
  char sid[16];
  size_t sid_bytes;
  unsigned long deliveries_left; // 0: no bound
  struct subscription *next, *previous; // of the connection
};

// The members of a queue group, which take turns. Without a name: the subscriptions that get every message.
struct group {
  char name[NAME_BYTES];
  struct subscription **members;
  size_t count, capacity, turn;
  struct group *next; // of the subject
};

struct subject {
  char name[NAME_BYTES];
  size_t name_bytes;
  struct group *groups;
  struct subject *next; // in the bucket
};

struct connection {
  int fd;
  bool is_paused;       // its publications have nowhere to go
  bool is_dirty;        // something is framed
  bool is_full;         // its backlog was above the bound and is not yet below half
  bool is_write_wanted; // waits for EPOLLOUT
  bool is_closed;
  struct subscription *subscriptions;
  char *unfinished; // the start of an operation whose end is not here yet
  size_t unfinished_bytes;
  struct iovec pieces[PIECES_MAX]; // in the order of writing: parts of `framed` and of the receive buffer
  size_t piece_count;
  bool is_last_piece_framed;
  char *framed;
  size_t framed_bytes;
  char *backlog;
  size_t backlog_start, backlog_end, backlog_capacity;
  struct connection *next_closed;
};

struct pointers {
  struct connection **items;
  size_t count, capacity;
};

static int epoll_fd;
static char *receive_buffer;
static struct subject *buckets[BUCKETS];
static struct pointers dirty, paused;
static size_t full_count;
static struct connection *closed; // freed when no event of this turn can name them any more

static void push(struct pointers *list, struct connection *connection) {
  if (list->count == list->capacity) {
    list->capacity = list->capacity ? list->capacity * 2 : 64;
    list->items = realloc(list->items, list->capacity * sizeof *list->items);
  }
  list->items[list->count++] = connection;
}

static void forget(struct pointers *list, struct connection *connection) {
  for (size_t i = 0; i < list->count; i++)
    if (list->items[i] == connection) list->items[i--] = list->items[--list->count];
}

// ---- subjects and subscriptions -----------------------------------------------------------------------------------

static struct subject **find_subject(const char *name, size_t name_bytes) {
  unsigned hash = 2166136261u;
  for (size_t i = 0; i < name_bytes; i++) hash = (hash ^ (unsigned char)name[i]) * 16777619u;
  struct subject **place = &buckets[(hash ^ hash >> 20) % BUCKETS];
  while (*place && ((*place)->name_bytes != name_bytes || memcmp((*place)->name, name, name_bytes))) place = &(*place)->next;
  return place;
}

static void subscribe(struct connection *connection, const char *name, const char *queue, const char *sid) {
  struct subject **place = find_subject(name, strlen(name)), *subject = *place;
  if (!subject) {
    subject = *place = calloc(1, sizeof *subject);
    subject->name_bytes = strlen(name);
    strcpy(subject->name, name);
  }
  struct group *group = subject->groups;
  while (group && strcmp(group->name, queue)) group = group->next;
  if (!group) {
    group = calloc(1, sizeof *group);
    strcpy(group->name, queue);
    group->next = subject->groups;
    subject->groups = group;
  }
  struct subscription *subscription = calloc(1, sizeof *subscription);
  subscription->connection = connection;
  subscription->subject = subject;
  subscription->group = group;
  subscription->sid_bytes = (size_t)snprintf(subscription->sid, sizeof subscription->sid, "%s", sid);
  subscription->next = connection->subscriptions;
  if (subscription->next) subscription->next->previous = subscription;
  connection->subscriptions = subscription;
  if (group->count == group->capacity) {
    group->capacity = group->capacity ? group->capacity * 2 : 1;
    group->members = realloc(group->members, group->capacity * sizeof *group->members);
  }
  group->members[group->count++] = subscription;
}

static void unsubscribe(struct subscription *subscription) {
  struct connection *connection = subscription->connection;
  if (subscription->previous) subscription->previous->next = subscription->next;
  else connection->subscriptions = subscription->next;
  if (subscription->next) subscription->next->previous = subscription->previous;
  struct subject *subject = subscription->subject;
  struct group *group = subscription->group;
  for (size_t i = 0; i < group->count; i++)
    if (group->members[i] == subscription) group->members[i] = group->members[--group->count];
  free(subscription);
  if (group->count) return;
  struct group **link = &subject->groups;
  while (*link != group) link = &(*link)->next;
  *link = group->next;
  free(group->members);
  free(group);
  if (subject->groups) return;
  struct subject **place = find_subject(subject->name, subject->name_bytes);
  *place = subject->next;
  free(subject);
}

// ---- writing ------------------------------------------------------------------------------------------------------

static void watch(struct connection *connection) {
  struct epoll_event event = {.data.ptr = connection};
  event.events = (connection->is_paused ? 0 : EPOLLIN) | (connection->is_write_wanted ? EPOLLOUT : 0);
  epoll_ctl(epoll_fd, EPOLL_CTL_MOD, connection->fd, &event);
}

static size_t backlog_bytes(const struct connection *connection) { return connection->backlog_end - connection->backlog_start; }

static void append_to_backlog(struct connection *connection, const char *bytes, size_t count) {
  if (connection->backlog_end + count > connection->backlog_capacity) {
    memmove(connection->backlog, connection->backlog + connection->backlog_start, backlog_bytes(connection));
    connection->backlog_end = backlog_bytes(connection);
    connection->backlog_start = 0;
    size_t needed = connection->backlog_end + count;
    if (needed > connection->backlog_capacity / 2) { // half stays free, so that moving is rare
      connection->backlog_capacity = needed * 2 > RECEIVE_BYTES ? needed * 2 : RECEIVE_BYTES;
      connection->backlog = realloc(connection->backlog, connection->backlog_capacity);
    }
  }
  memcpy(connection->backlog + connection->backlog_end, bytes, count);
  connection->backlog_end += count;
}

// Writes what is framed. What the kernel does not take moves to the backlog. `producer`, whose messages these are, is
// not read until the consumers have caught up.
static void flush(struct connection *connection, struct connection *producer) {
  ssize_t written = 0;
  if (!backlog_bytes(connection)) written = writev(connection->fd, connection->pieces, (int)connection->piece_count);
  size_t taken = written > 0 ? (size_t)written : 0;
  for (size_t i = 0; i < connection->piece_count; i++) {
    struct iovec piece = connection->pieces[i];
    size_t skipped = taken < piece.iov_len ? taken : piece.iov_len;
    taken -= skipped;
    if (skipped < piece.iov_len) append_to_backlog(connection, (char *)piece.iov_base + skipped, piece.iov_len - skipped);
  }
  connection->piece_count = connection->framed_bytes = 0;
  connection->is_last_piece_framed = false;
  if (!backlog_bytes(connection)) return;
  if (!connection->is_write_wanted) {
    connection->is_write_wanted = true;
    watch(connection);
  }
  if (!connection->is_full && backlog_bytes(connection) > BACKLOG_BYTES) {
    connection->is_full = true;
    full_count++;
  }
  if (connection->is_full && !producer->is_paused) {
    producer->is_paused = true;
    push(&paused, producer);
    watch(producer);
  }
}

static void write_backlog(struct connection *connection) {
  ssize_t written = write(connection->fd, connection->backlog + connection->backlog_start, backlog_bytes(connection));
  if (written > 0) connection->backlog_start += (size_t)written;
  if (!backlog_bytes(connection)) {
    connection->backlog_start = connection->backlog_end = 0;
    connection->is_write_wanted = false;
    watch(connection);
  }
  if (connection->is_full && backlog_bytes(connection) < BACKLOG_BYTES / 2) {
    connection->is_full = false;
    full_count--;
  }
}

static void resume_producers(void) {
  while (!full_count && paused.count) {
    struct connection *producer = paused.items[--paused.count];
    producer->is_paused = false;
    watch(producer);
  }
}

// Makes room for `count` framed bytes and two pieces, which the caller appends.
static char *reserve(struct connection *connection, size_t count, struct connection *producer) {
  if (connection->framed_bytes + count > FRAMED_BYTES || connection->piece_count + 2 > PIECES_MAX) flush(connection, producer);
  if (!connection->is_dirty) {
    connection->is_dirty = true;
    push(&dirty, connection);
  }
  return connection->framed + connection->framed_bytes;
}

static void append_framed(struct connection *connection, size_t count) {
  if (!connection->is_last_piece_framed) {
    connection->pieces[connection->piece_count++] = (struct iovec){.iov_base = connection->framed + connection->framed_bytes};
    connection->is_last_piece_framed = true;
  }
  connection->pieces[connection->piece_count - 1].iov_len += count;
  connection->framed_bytes += count;
}

static void append_gathered(struct connection *connection, char *bytes, size_t count) {
  connection->pieces[connection->piece_count++] = (struct iovec){.iov_base = bytes, .iov_len = count};
  connection->is_last_piece_framed = false;
}

static void append_text(struct connection *connection, const char *text) {
  size_t count = strlen(text);
  memcpy(reserve(connection, count, connection), text, count);
  append_framed(connection, count);
}

// ---- reading ------------------------------------------------------------------------------------------------------

// Frames one delivery: "MSG", subject and sid, then `tail`, the rest of the PUB line with the payload and its CR LF.
static void deliver(struct subscription *subscription, struct connection *producer, const char *name, size_t name_bytes,
                    char *tail, size_t tail_bytes) {
  struct connection *connection = subscription->connection;
  bool is_gathered = tail_bytes >= GATHER_BYTES;
  char *start = reserve(connection, 4 + name_bytes + 1 + sizeof subscription->sid + 1 + (is_gathered ? 0 : tail_bytes), producer);
  char *out = start;
  memcpy(out, "MSG ", 4);
  out += 4;
  memcpy(out, name, name_bytes);
  out += name_bytes;
  *out++ = ' ';
  memcpy(out, subscription->sid, subscription->sid_bytes);
  out += subscription->sid_bytes;
  *out++ = ' ';
  if (!is_gathered) {
    memcpy(out, tail, tail_bytes);
    out += tail_bytes;
  }
  append_framed(connection, (size_t)(out - start));
  if (is_gathered) append_gathered(connection, tail, tail_bytes);
}

static void publish(struct connection *producer, const char *name, size_t name_bytes, char *tail, size_t tail_bytes) {
  struct subject *subject = *find_subject(name, name_bytes);
  struct group *next;
  for (struct group *group = subject ? subject->groups : NULL; group; group = next) {
    next = group->next; // the last delivery of the last member frees the group
    size_t first = 0, end = group->count;
    if (group->name[0]) first = group->turn++ % group->count, end = first + 1;
    for (size_t i = end; i-- > first;) { // backwards, for an ended subscription gives its place to the last one
      struct subscription *subscription = group->members[i];
      deliver(subscription, producer, name, name_bytes, tail, tail_bytes);
      if (subscription->deliveries_left && !--subscription->deliveries_left) unsubscribe(subscription);
    }
  }
}

// Takes one PUB and returns its length, or 0 if its end is not here yet.
static size_t take_pub(struct connection *connection, char *start, char *end) {
  char *name = start + 4, *at = name;
  while (at < end && *at != ' ') at++;
  size_t name_bytes = (size_t)(at - name), payload_bytes = 0;
  char *tail = ++at;
  for (; at < end && *at != '\r'; at++) payload_bytes = *at == ' ' ? 0 : payload_bytes * 10 + (size_t)(*at - '0');
  char *next = at + 2 + payload_bytes + 2;
  if (at >= end || next > end) return 0;
  publish(connection, name, name_bytes, tail, (size_t)(next - tail));
  return (size_t)(next - start);
}

static void take_line(struct connection *connection, char *line) {
  char first[NAME_BYTES], second[NAME_BYTES], third[NAME_BYTES];
  if (!strncmp(line, "PING", 4)) append_text(connection, "PONG\r\n");
  if (!strncmp(line, "SUB ", 4)) {
    int words = sscanf(line + 4, "%127s %127s %127s", first, second, third);
    subscribe(connection, first, words == 3 ? second : "", words == 3 ? third : second);
  }
  if (!strncmp(line, "UNSUB ", 6)) {
    unsigned long deliveries_left = 0;
    sscanf(line + 6, "%127s %lu", first, &deliveries_left);
    for (struct subscription *subscription = connection->subscriptions; subscription; subscription = subscription->next) {
      if (strcmp(subscription->sid, first)) continue;
      subscription->deliveries_left = deliveries_left;
      if (!deliveries_left) unsubscribe(subscription);
      break;
    }
  }
}

static void take_bytes(struct connection *connection, char *at, size_t count) {
  char *end = at + count;
  while (at < end) {
    if (end - at > 4 && !memcmp(at, "PUB ", 4)) {
      size_t taken = take_pub(connection, at, end);
      if (!taken) break;
      at += taken;
      continue;
    }
    char *line_feed = memchr(at, '\n', (size_t)(end - at));
    if (!line_feed) break;
    *line_feed = 0;
    take_line(connection, at);
    at = line_feed + 1;
  }
  for (size_t i = 0; i < dirty.count; i++) {
    dirty.items[i]->is_dirty = false;
    flush(dirty.items[i], connection);
  }
  dirty.count = 0;
  connection->unfinished_bytes = (size_t)(end - at);
  if (connection->unfinished_bytes) {
    connection->unfinished = realloc(connection->unfinished, connection->unfinished_bytes);
    memcpy(connection->unfinished, at, connection->unfinished_bytes);
  }
}

// ---- connections --------------------------------------------------------------------------------------------------

static void close_connection(struct connection *connection) {
  while (connection->subscriptions) unsubscribe(connection->subscriptions);
  forget(&paused, connection);
  if (connection->is_full) full_count--;
  close(connection->fd);
  connection->is_closed = true;
  connection->next_closed = closed;
  closed = connection;
}

static void free_closed(void) {
  while (closed) {
    struct connection *connection = closed;
    closed = connection->next_closed;
    free(connection->unfinished);
    free(connection->framed);
    free(connection->backlog);
    free(connection);
  }
}

static void accept_connections(int listener) {
  int fd, one = 1;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct connection *connection = calloc(1, sizeof *connection);
    connection->fd = fd;
    connection->framed = malloc(FRAMED_BYTES);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
    static const char info[] = "INFO {\"server_id\":\"FLOOR\",\"version\":\"0.0.0\",\"proto\":1,\"max_payload\":1048576}\r\n";
    if (write(fd, info, sizeof info - 1) < 0) close_connection(connection);
  }
}

static void read_connection(struct connection *connection) {
  size_t kept = connection->unfinished_bytes;
  if (kept + RECEIVE_BYTES * 4 > RECEIVE_BUFFER_BYTES) {
    close_connection(connection);
    return;
  }
  memcpy(receive_buffer, connection->unfinished ? connection->unfinished : "", kept);
  // The start of a message that is larger than a read would be copied for each read. So more is read at once then.
  size_t wanted = kept > 4096 ? RECEIVE_BYTES * 3 : RECEIVE_BYTES;
  ssize_t got = read(connection->fd, receive_buffer + kept, wanted);
  if (got > 0) take_bytes(connection, receive_buffer, kept + (size_t)got);
  else if (got == 0 || errno != EAGAIN) close_connection(connection);
}

int main(int argument_count, char **arguments) {
  int port = 4222, one = 1;
  for (int i = 1; i + 1 < argument_count; i++)
    if (!strcmp(arguments[i], "-p")) port = atoi(arguments[i + 1]);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) {
    fprintf(stderr, "floor: listen on 127.0.0.1:%d: %s\n", port, strerror(errno));
    return 1;
  }
  epoll_fd = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[EVENTS];
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event);
  receive_buffer = malloc(RECEIVE_BUFFER_BYTES);
  for (;;) {
    int ready = 0;
    for (int spin = 0; spin < SPINS && !ready; spin++) ready = epoll_wait(epoll_fd, events, EVENTS, 0);
    if (!ready) ready = epoll_wait(epoll_fd, events, EVENTS, -1);
    for (int i = 0; i < ready; i++) {
      struct connection *connection = events[i].data.ptr;
      if (!connection) {
        accept_connections(listener);
        continue;
      }
      if (!connection->is_closed && events[i].events & EPOLLOUT) write_backlog(connection);
      if (!connection->is_closed && events[i].events & ~(unsigned)EPOLLOUT && !connection->is_paused) read_connection(connection);
    }
    resume_producers();
    free_closed();
  }
}
