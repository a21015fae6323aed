/**
 * libc as data: the functions that we call, once for both FFIs, and the numbers that go with them.
 *
 * Linux on x86-64 and arm64 share every number here except the layout of `struct epoll_event`.
 * Source: the man pages (section 2) and the kernel's uapi headers (asm-generic).
 */

/**
 * How a value crosses the FFI. Every value is a plain number here. `pointer` (an address) and `size` (`size_t`) take a
 * whole 64-bit register, so that nothing stale is left in its upper half.
 */
export type NativeType = "i32" | "u32" | "pointer" | "size";

export interface NativeFunction {
  readonly parameters: readonly NativeType[];
  readonly result: NativeType;
}

/** Every libc function that Midge cannot do without. */
export const LIBC_FUNCTIONS = {
  __errno_location: { parameters: [], result: "pointer" },
  accept4: { parameters: ["i32", "pointer", "pointer", "i32"], result: "i32" },
  bind: { parameters: ["i32", "pointer", "u32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  connect: { parameters: ["i32", "pointer", "u32"], result: "i32" },
  epoll_create1: { parameters: ["i32"], result: "i32" },
  epoll_ctl: { parameters: ["i32", "i32", "i32", "pointer"], result: "i32" },
  epoll_wait: { parameters: ["i32", "pointer", "i32", "i32"], result: "i32" },
  eventfd: { parameters: ["u32", "i32"], result: "i32" },
  getpeername: { parameters: ["i32", "pointer", "pointer"], result: "i32" },
  getpid: { parameters: [], result: "i32" },
  getsockname: { parameters: ["i32", "pointer", "pointer"], result: "i32" },
  getsockopt: { parameters: ["i32", "i32", "i32", "pointer", "pointer"], result: "i32" },
  kill: { parameters: ["i32", "i32"], result: "i32" },
  listen: { parameters: ["i32", "i32"], result: "i32" },
  /** Returns its first argument, which nobody needs. */
  memcpy: { parameters: ["pointer", "pointer", "size"], result: "i32" },
  poll: { parameters: ["pointer", "size", "i32"], result: "i32" },
  prctl: { parameters: ["i32", "pointer"], result: "i32" },
  readv: { parameters: ["i32", "pointer", "i32"], result: "i32" },
  recv: { parameters: ["i32", "pointer", "size", "i32"], result: "i32" },
  send: { parameters: ["i32", "pointer", "size", "i32"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "pointer", "u32"], result: "i32" },
  shutdown: { parameters: ["i32", "i32"], result: "i32" },
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  strlen: { parameters: ["pointer"], result: "size" },
  writev: { parameters: ["i32", "pointer", "i32"], result: "i32" },
} as const satisfies Record<string, NativeFunction>;

export const LIBC_FILE = "libc.so.6";

/** The errno values that a socket server meets, with the words that Go, and so nats-server, prints for them. */
export const ERRNO_TEXTS: ReadonlyMap<number, readonly [name: string, text: string]> = new Map([
  [1, ["EPERM", "operation not permitted"]],
  [2, ["ENOENT", "no such file or directory"]],
  [3, ["ESRCH", "no such process"]],
  [4, ["EINTR", "interrupted system call"]],
  [9, ["EBADF", "bad file descriptor"]],
  [11, ["EAGAIN", "resource temporarily unavailable"]],
  [12, ["ENOMEM", "cannot allocate memory"]],
  [13, ["EACCES", "permission denied"]],
  [14, ["EFAULT", "bad address"]],
  [17, ["EEXIST", "file exists"]],
  [22, ["EINVAL", "invalid argument"]],
  [23, ["ENFILE", "too many open files in system"]],
  [24, ["EMFILE", "too many open files"]],
  [32, ["EPIPE", "broken pipe"]],
  [88, ["ENOTSOCK", "socket operation on non-socket"]],
  [92, ["ENOPROTOOPT", "protocol not available"]],
  [93, ["EPROTONOSUPPORT", "protocol not supported"]],
  [95, ["EOPNOTSUPP", "operation not supported"]],
  [97, ["EAFNOSUPPORT", "address family not supported by protocol"]],
  [98, ["EADDRINUSE", "address already in use"]],
  [99, ["EADDRNOTAVAIL", "cannot assign requested address"]],
  [100, ["ENETDOWN", "network is down"]],
  [101, ["ENETUNREACH", "network is unreachable"]],
  [103, ["ECONNABORTED", "software caused connection abort"]],
  [104, ["ECONNRESET", "connection reset by peer"]],
  [105, ["ENOBUFS", "no buffer space available"]],
  [106, ["EISCONN", "transport endpoint is already connected"]],
  [107, ["ENOTCONN", "transport endpoint is not connected"]],
  [110, ["ETIMEDOUT", "connection timed out"]],
  [111, ["ECONNREFUSED", "connection refused"]],
  [113, ["EHOSTUNREACH", "no route to host"]],
  [115, ["EINPROGRESS", "operation now in progress"]],
]);

export const EINTR = 4;
export const EAGAIN = 11;
export const EINVAL = 22;
export const ENFILE = 23;
export const EMFILE = 24;
export const EPIPE = 32;
export const EAFNOSUPPORT = 97;
export const ECONNABORTED = 103;
export const ECONNRESET = 104;
export const ECONNREFUSED = 111;
export const EINPROGRESS = 115;

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;

export const IPPROTO_TCP = 6;
export const IPPROTO_IPV6 = 41;
export const TCP_NODELAY = 1;
export const IPV6_V6ONLY = 26;
export const SOL_SOCKET = 1;
export const SO_REUSEADDR = 2;
export const SO_ERROR = 4;
export const SO_LINGER = 13;
export const SO_REUSEPORT = 15;

export const MSG_PEEK = 0x2;
export const MSG_NOSIGNAL = 0x4000;

export const PR_SET_NAME = 15;

export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;
export const EPOLL_CLOEXEC = 0o2000000;
export const EPOLLIN = 0x1;
/** There is an event for each change, not as long as the state lasts. */
export const EPOLLET = 0x80000000;
export const EPOLLOUT = 0x4;
export const EPOLLERR = 0x8;
export const EPOLLHUP = 0x10;

export const EFD_NONBLOCK = 0o4000;
export const EFD_CLOEXEC = 0o2000000;

/** `struct iovec`: u64 address, u64 length. */
export const IOVEC_BYTES = 16;

/** `struct pollfd`: i32 fd, i16 events, i16 revents. */
export const POLLFD_BYTES = 8;
export const POLLIN = 0x1;

/** `struct sockaddr_in`, and `struct sockaddr_in6`, the largest address that we meet. */
export const SOCKADDR_IN_BYTES = 16;
export const SOCKADDR_IN6_BYTES = 28;

/**
 * `struct epoll_event` is { u32 events; u64 data }. It is packed on x86-64 alone. We keep a u32 in `data`.
 */
export function epollEventLayout(architecture: string): { bytes: number; dataOffset: number } {
  return architecture === "x64" ? { bytes: 12, dataOffset: 4 } : { bytes: 16, dataOffset: 8 };
}
