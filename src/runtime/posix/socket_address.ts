import { AF_INET, AF_INET6, SOCKADDR_IN_BYTES, SOCKADDR_IN6_BYTES } from "./libc.ts";

/** One end of a TCP connection. `ip` is text without brackets; a v4-mapped IPv6 address is shown as IPv4. */
export interface SocketAddress {
  readonly ip: string;
  readonly port: number;
}

/**
 * Writes a `struct sockaddr_in` or `sockaddr_in6` at the start of `view` and returns its size in bytes, or 0 if `ip` is
 * no IP address. An IPv6 zone (`%eth0`) is refused like any other text.
 */
export function encodeSocketAddress(view: DataView, ip: string, port: number): number {
  const bytes = parseIp(ip);
  if (bytes === undefined) return 0;
  const isIpv4 = bytes.length === 4;
  const length = isIpv4 ? SOCKADDR_IN_BYTES : SOCKADDR_IN6_BYTES;
  for (let i = 0; i < length; i++) view.setUint8(i, 0);
  view.setUint16(0, isIpv4 ? AF_INET : AF_INET6, true);
  view.setUint16(2, port);
  for (const [i, byte] of bytes.entries()) view.setUint8((isIpv4 ? 4 : 8) + i, byte);
  return length;
}

/** Reads what `encodeSocketAddress` or the kernel wrote. An unknown family gives an empty `ip`. */
export function decodeSocketAddress(view: DataView): SocketAddress {
  const family = view.getUint16(0, true);
  const port = view.getUint16(2);
  if (family === AF_INET) return { ip: ipv4Text(view, 4), port };
  if (family !== AF_INET6) return { ip: "", port: 0 };
  return { ip: unmappedText(view, 8), port };
}

/** An IP address of 4 or 16 bytes, as `decodeSocketAddress` shows it. */
export function ipText({ buffer, byteOffset, length }: Uint8Array): string {
  const view = new DataView(buffer, byteOffset, length);
  return length === 4 ? ipv4Text(view, 0) : unmappedText(view, 0);
}

/** An IP address in the form that `decodeSocketAddress` shows; undefined for any other text. */
export function canonicalIp(text: string): string | undefined {
  const bytes = parseIp(text);
  return bytes && ipText(Uint8Array.from(bytes));
}

/** Whether text is an IP address without a zone. `node:net` has `isIP`, but would cost a shard on Deno 8 MB. */
export function isIpAddress(text: string): boolean {
  return parseIp(text) !== undefined;
}

/**
 * Whether listening on this host means listening on every address of the machine, of both families: see `listenTcp`.
 */
export function isEveryAddress(host: string): boolean {
  return host === "" || host === "0.0.0.0" || host === "::";
}

/** Host and port as Go's `net.JoinHostPort` prints them: an IPv6 address is in brackets. */
export function hostPortText(host: string, port: number): string {
  return `${hostText(host)}:${port}`;
}

/** A host as it is written before a port: an IPv6 address is in brackets. */
export function hostText(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

/** Both ends of a connection, as Go's errors name them. */
export function connectionEndsText(local: SocketAddress, remote: SocketAddress): string {
  return `${hostPortText(local.ip, local.port)}->${hostPortText(remote.ip, remote.port)}`;
}

/** An IP address as text. A v4-mapped IPv6 address becomes IPv4. */
export function withoutMapping(ip: string): string {
  return ip.startsWith("::ffff:") && ip.includes(".") ? ip.slice("::ffff:".length) : ip;
}

/** The 4 or 16 bytes of an address. */
function parseIp(text: string): number[] | undefined {
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

function parseIpv4(text: string): number[] | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255)) {
    return undefined;
  }
  return parts.map(Number);
}

function parseIpv6(text: string): number[] | undefined {
  // The URL parser knows every form, including that with an IPv4 address, and gives the canonical one.
  let canonical: string;
  try {
    if (!/^[0-9a-fA-F:.]+$/.test(text)) return undefined;
    canonical = new URL(`http://[${text}]/`).hostname.slice(1, -1);
  } catch {
    return undefined;
  }
  const [head = "", tail] = canonical.split("::");
  const headWords = head === "" ? [] : head.split(":");
  const tailWords = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = new Array<string>(8 - headWords.length - tailWords.length).fill("0");
  return [...headWords, ...zeros, ...tailWords].flatMap((word) => {
    const value = Number.parseInt(word, 16);
    return [value >> 8, value & 0xff];
  });
}

function ipv4Text(view: DataView, offset: number): string {
  return [0, 1, 2, 3].map((i) => view.getUint8(offset + i)).join(".");
}

/** The 16 bytes of an IPv6 address; a v4-mapped one is shown as IPv4. */
function unmappedText(view: DataView, offset: number): string {
  const isMapped =
    view.getUint32(offset) === 0 && view.getUint32(offset + 4) === 0 && view.getUint32(offset + 8) === 0xffff;
  return isMapped ? ipv4Text(view, offset + 12) : ipv6Text(view, offset);
}

function ipv6Text(view: DataView, offset: number): string {
  const words = Array.from({ length: 8 }, (_, i) => view.getUint16(offset + i * 2).toString(16));
  return new URL(`http://[${words.join(":")}]/`).hostname.slice(1, -1);
}
