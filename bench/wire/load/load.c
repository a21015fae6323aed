// The load generator of the wire bench: one process, one thread, one kind of load against one server.
//
//   load --kind stream --port 4222 --publishers 1 --subscribers 10 --payload-bytes 16 --seconds 2 < /dev/null
//
// It prints one line of JSON for each phase (see load.h); the last one holds the result. It exits with 1 and a message
// if the server sends anything else than what must arrive.
#define _GNU_SOURCE
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

_Noreturn void fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("load: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(1);
}

uint64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000ull + (uint64_t)time.tv_nsec;
}

uint64_t own_cpu_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return (uint64_t)time.tv_sec * 1000000000ull + (uint64_t)time.tv_nsec;
}

void *allocate(size_t bytes) {
  void *memory = calloc(1, bytes ? bytes : 1);
  if (!memory) fail("no memory for %zu bytes", bytes);
  return memory;
}

// ---- phases -------------------------------------------------------------------------------------------------------

static void await_go(void) {
  char byte;
  while (read(STDIN_FILENO, &byte, 1) == 1 && byte != '\n') {
  }
}

void reach_phase(const char *phase) {
  printf("{\"phase\":\"%s\"}\n", phase);
  fflush(stdout);
  await_go();
}

static int compare_latencies(const void *left, const void *right) {
  uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
  return (a > b) - (a < b);
}

static double percentile_us(const struct result *result, double share) {
  if (!result->latency_count) return 0;
  size_t index = (size_t)(share * (double)result->latency_count);
  if (index >= result->latency_count) index = result->latency_count - 1;
  return result->latencies_ns[index] / 1000.0;
}

void report(struct result *result) {
  reach_phase("ended");
  printf("{\"phase\":\"done\",\"messages\":%llu,\"deliveries\":%llu,\"seconds\":%.6f,\"loadCpuSeconds\":%.6f",
         (unsigned long long)result->messages, (unsigned long long)result->deliveries,
         (double)(result->ended_ns - result->started_ns) / 1e9, (double)result->load_cpu_ns / 1e9);
  if (result->latencies_ns) {
    qsort(result->latencies_ns, result->latency_count, sizeof *result->latencies_ns, compare_latencies);
    printf(",\"p50Us\":%.1f,\"p99Us\":%.1f,\"p999Us\":%.1f", percentile_us(result, 0.5), percentile_us(result, 0.99),
           percentile_us(result, 0.999));
  }
  puts("}");
}

// ---- connections --------------------------------------------------------------------------------------------------

int open_socket(const struct options *options, unsigned source) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket: %s; raise the limit of open files (ulimit -n)", strerror(errno));
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  // A local address has 28,000 ports at most, and each rests a minute after use. 127.0.0.0/8 has many addresses.
  struct sockaddr_in local = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + source)};
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
  if (bind(fd, (struct sockaddr *)&local, sizeof local)) fail("bind 127.0.0.%u: %s", source + 1, strerror(errno));
  struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options->port)};
  server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, (struct sockaddr *)&server, sizeof server))
    fail("connect to 127.0.0.1:%d: %s", options->port, strerror(errno));
  return fd;
}

void write_all(int fd, const char *bytes, size_t count) {
  while (count) {
    ssize_t written = send_bytes(fd, bytes, count);
    if (written <= 0) fail("write: %s", strerror(errno));
    bytes += written;
    count -= (size_t)written;
  }
}

void check_control_line(const char *line, size_t length) {
  if (length && line[0] == '-') fail("the server said: %.*s", (int)length, line);
  if (length && !strchr("+PI", line[0])) fail("an unexpected line from the server: %.*s", (int)length, line);
}

enum { LINE_BYTES = 8192 };

// Reads a line from the server, which becomes a string with its CR. It is only used while preparing, so one byte per
// call is fast enough.
static void read_line(int fd, char line[LINE_BYTES]) {
  for (size_t length = 0; length < LINE_BYTES; length++) {
    ssize_t got = receive_bytes(fd, line + length, 1);
    if (got <= 0) fail("the server closed a connection while it was prepared (%zu bytes: %.*s)", length, (int)length, line);
    if (line[length] != '\n') continue;
    line[length] = 0;
    check_control_line(line, length);
    return;
  }
  fail("a line of more than %d bytes from the server", LINE_BYTES);
}

static void read_until_pong(int fd) {
  char line[LINE_BYTES];
  do read_line(fd, line);
  while (memcmp(line, "PONG", 4));
}

struct options on_subscriber_port(const struct options *options) {
  struct options other = *options;
  if (other.subscriber_port != 0) other.port = other.subscriber_port;
  return other;
}

int open_connection(const struct options *options, const char *login) {
  static unsigned opened;
  int fd = open_socket(options, opened++ / 20000);
  struct timeval patience = {.tv_sec = 20};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  char info[LINE_BYTES], greeting[CONNECT_BYTES_MAX];
  if (options->web_socket) begin_web_socket(fd, options->compressed);
  read_line(fd, info);
  if (options->tls) {
    begin_tls(fd, false);
    if (!handshake(fd)) fail("a TLS handshake took more than %ld s", (long)patience.tv_sec);
  }
  write_all(fd, greeting, write_connect(greeting, options, login, info));
  read_until_pong(fd);
  return fd;
}

void await_pong(int fd) {
  write_all(fd, "PING\r\n", 6);
  read_until_pong(fd);
}

void write_line(int fd, const char *format, ...) {
  char line[256];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  if (length < 0 || (size_t)length >= sizeof line) fail("a line of more than %zu bytes to send", sizeof line);
  write_all(fd, line, (size_t)length);
}

void set_nonblocking(int fd) {
  if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK)) fail("fcntl: %s", strerror(errno));
}

// ---- options ------------------------------------------------------------------------------------------------------

static bool is_flag(const char *argument, const char *name) {
  return !strncmp(argument, "--", 2) && !strcmp(argument + 2, name);
}

int main(int argument_count, char **arguments) {
  struct options options = {
      .kind = "stream",
      .port = 4222,
      .publishers = 1,
      .payload_bytes = 16,
      .connections = 1,
      .seconds = 1,
      .drain_seconds = 20,
  };
  struct {
    const char *name;
    double *value;
  } numbers[] = {
      {"seconds", &options.seconds},
      {"warm-seconds", &options.warm_seconds},
      {"drain-seconds", &options.drain_seconds},
  };
  struct {
    const char *name;
    int *value;
  } integers[] = {
      {"port", &options.port},
      {"subscriber-port", &options.subscriber_port},
      {"publishers", &options.publishers},
      {"subscribers", &options.subscribers},
      {"payload-bytes", &options.payload_bytes},
      {"literals", &options.literals},
      {"wildcards", &options.wildcards},
      {"between", &options.between},
      {"connections", &options.connections},
      {"pause-us", &options.pause_us},
      {"logins", &options.logins},
  };
  struct {
    const char *name;
    const char **value;
  } texts[] = {
      {"kind", &options.kind},
      {"delivered", &options.delivered},
      {"login", &options.login},
      {"subscriber-login", &options.subscriber_login},
      {"seed", &options.seed},
  };
  for (int i = 1; i < argument_count; i++) {
    const char *argument = arguments[i];
    if (is_flag(argument, "queue")) {
      options.queue = true;
      continue;
    }
    if (is_flag(argument, "fresh-inbox")) {
      options.fresh_inbox = true;
      continue;
    }
    if (is_flag(argument, "headed")) {
      options.headed = true;
      continue;
    }
    if (is_flag(argument, "tls")) {
      options.tls = true;
      continue;
    }
    if (is_flag(argument, "web-socket")) {
      options.web_socket = true;
      continue;
    }
    if (is_flag(argument, "compressed")) {
      options.compressed = true;
      continue;
    }
    if (is_flag(argument, "json")) {
      options.json = true;
      continue;
    }
    if (is_flag(argument, "resumed")) {
      options.resumed = true;
      continue;
    }
    if (i + 1 == argument_count) fail("%s: unknown, or its value is missing", argument);
    const char *value = arguments[++i];
    bool known = true;
    if (is_flag(argument, "count")) options.count = strtoull(value, NULL, 10);
    else {
      known = false;
      for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
        if (is_flag(argument, numbers[k].name)) *numbers[k].value = strtod(value, NULL), known = true;
      for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
        if (is_flag(argument, texts[k].name)) *texts[k].value = value, known = true;
      for (size_t k = 0; k < sizeof integers / sizeof *integers; k++)
        if (is_flag(argument, integers[k].name)) *integers[k].value = atoi(value), known = true;
    }
    if (!known) fail("%s: unknown; see the options in load.h", argument);
  }
  if (!options.subscriber_login) options.subscriber_login = options.login;
  struct rlimit files;
  if (!getrlimit(RLIMIT_NOFILE, &files)) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  if (!strcmp(options.kind, "stream")) run_stream(&options);
  else if (!strcmp(options.kind, "request")) run_request(&options);
  else if (!strcmp(options.kind, "storm")) run_storm(&options);
  else if (!strcmp(options.kind, "idle")) run_idle(&options);
  else fail("--kind %s: unknown; stream, request, storm or idle", options.kind);
}
