// What all kinds of load share: the options, a connection that speaks just enough NATS, the phases in which the load
// and the program that started it take turns, and the clock.
//
// A load computes as little as possible while it measures: what it sends was encoded before, and what it receives is
// checked at fixed distances. The figures should be limited by the server under test.
#ifndef LOAD_H
#define LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct options {
  const char *kind;       // stream, request, storm or idle
  int port;               // on 127.0.0.1
  int subscriber_port;    // stream, request: if subscribers and responder use another server; 0: the same
  int publishers;         // stream
  int subscribers;        // stream: connections that subscribe
  int payload_bytes;      // stream, request
  int literals;           // stream: > 0: this many literal subscriptions, spread over the subscribers
  int wildcards;          // stream: > 0: this many wildcard subscriptions, spread over the subscribers
  bool queue;             // stream: the subscribers form one queue group
  const char *delivered;  // stream: subject of deliveries, if an import renames them; NULL: as published
  bool headed;            // stream, request: deliveries cross a service import, which adds headers to them
  int between;            // idle connections opened between the subscribers and the publishers
  int connections;        // request, storm (how many at the same time), idle
  bool fresh_inbox;       // request: SUB and UNSUB for each request
  int pause_us;           // stream: after each frame; request: after each reply; only one publisher or connection
  const char *login;            // fields of CONNECT, as JSON without braces; NULL: none
  const char *subscriber_login; // stream, request: the login of subscribers and responder, if it is another
  int logins;                   // stream: > 0: this many; "{n}" in a login becomes the connection's number modulo this
  const char *seed;             // hexadecimal; each connection signs its nonce with this Ed25519 key
  bool tls;               // each connection is upgraded after INFO
  bool web_socket;        // stream, request: each connection is upgraded before INFO
  bool compressed;        // stream: messages of WebSockets are compressed in both directions
  bool json;              // stream: payloads are pieces of JSON, so that they compress like it
  bool resumed;           // storm: handshakes resume the session of an earlier connection
  uint64_t count;         // messages, requests or connections at most; 0: only time is the bound
  double seconds;         // how long the measured part lasts at most
  double warm_seconds;    // how long the part before it lasts
  double drain_seconds;   // how long to wait for what is under way when the time is up or the count is reached
};

void run_stream(const struct options *options);
void run_request(const struct options *options);
void run_storm(const struct options *options);
void run_idle(const struct options *options);

// Ends the process with a message on standard error.
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

uint64_t now_ns(void);
uint64_t own_cpu_ns(void); // user and system time of this process
void *allocate(size_t bytes);

// Tells the starter that a phase is reached, and waits for its answer: a line on standard input, or the end of it.
// The phases are, in order: "base" (nothing is done yet), "prepared" (connected and subscribed), "ready" (warmed up),
// "ended" (measured, still connected). The result follows.
void reach_phase(const char *phase);

struct result {
  uint64_t messages;       // published, requested or connected
  uint64_t deliveries;     // received by subscribers
  uint64_t started_ns, ended_ns;
  uint64_t load_cpu_ns;    // spent by this process in the measured part
  uint32_t *latencies_ns;  // `messages` of them at most, or NULL
  size_t latency_count;
};
void report(struct result *result); // reaches "ended", prints the result

// Connections. The calls of the first group block, for preparing. After `set_nonblocking` only the load's own loop uses
// the fd.
int open_connection(const struct options *options, const char *login); // connected, CONNECT sent, first PONG received
struct options on_subscriber_port(const struct options *options); // the same options, for the subscribers' server
int open_socket(const struct options *options, unsigned source); // TCP only; `source` spreads local addresses
void write_all(int fd, const char *bytes, size_t count);
void await_pong(int fd);                            // sends PING, reads until PONG; fails on -ERR
void set_nonblocking(int fd);

// The login, or NULL, of the connection with this number among those of its kind: see `logins`. It is valid until the
// next call.
const char *numbered_login(const struct options *options, const char *login, int number);

// Writes CONNECT with a login, or NULL, and PING for the connection that got this INFO, a string. Returns the length.
// `out` has room for CONNECT_BYTES_MAX.
enum { CONNECT_BYTES_MAX = 8192 };
size_t write_connect(char *out, const struct options *options, const char *login, const char *info);

// A MSG or HMSG. All pointers point into the bytes that it was parsed from.
struct delivery {
  const char *subject, *reply, *payload; // reply: NULL if there is none
  size_t subject_bytes, reply_bytes, payload_bytes;
};
// Parses the delivery at the start of `bytes`. Returns its length, or 0 if it is not complete.
size_t parse_delivery(const char *bytes, size_t count, struct delivery *delivery);

// Formats a line and writes all of it.
void write_line(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));

// These do what read and write do, with plain text if the connection has TLS. TLS that was begun is closed with
// close_connection.
void begin_tls(int fd, bool is_resumed);
bool handshake(int fd); // returns whether it is done; if not, it must be called again when the socket has an event
void close_connection(int fd);
ssize_t receive_unframed(int fd, void *bytes, size_t count);
ssize_t send_unframed(int fd, const void *bytes, size_t count);

// The same for connections that may be WebSockets; for others they are the functions above.
void begin_web_socket(int fd, bool is_compressed); // while the connection blocks
bool holds_bytes(int fd); // whether receive_bytes() has more without an event that would tell
ssize_t receive_bytes(int fd, void *bytes, size_t count);
ssize_t send_bytes(int fd, const void *bytes, size_t count);

// Looks at a line from the server that is not a message. Fails if it is an error.
void check_control_line(const char *line, size_t length);

#endif
