/** Which of several certificates a client asks for, by the server name in its first message. */
const HANDSHAKE_RECORD = 0x16;
const CLIENT_HELLO = 1;
const SERVER_NAME_EXTENSION = 0;
const HOST_NAME = 0;

/**
 * The server name in a ClientHello, in lower case; "" if there is none or the message is malformed. `bytes` are the
 * first that the client sent, and may end anywhere. A name that is not among them counts as none, so that there is no
 * waiting. Source: RFC 8446, section 4.1.2; RFC 6066, section 3.
 */
export function serverNameOf(bytes: Uint8Array): string {
  const u8 = (at: number) => bytes[at] ?? 0;
  const u16 = (at: number) => u8(at) * 256 + u8(at + 1);
  // Record: type, version, length. Message: type, 24-bit length, version, 32 random bytes.
  if (u8(0) !== HANDSHAKE_RECORD || u8(5) !== CLIENT_HELLO) return "";
  let at = 5 + 4 + 2 + 32;
  at += 1 + u8(at); // session id
  at += 2 + u16(at); // cipher suites
  at += 1 + u8(at); // compression methods
  at += 2; // length of the extensions
  while (at + 4 <= bytes.length) {
    const type = u16(at);
    const end = at + 4 + u16(at + 2);
    if (type === SERVER_NAME_EXTENSION) {
      // The extension is a list of names, of which only the first is in use.
      const start = at + 9;
      const nameEnd = start + u16(at + 7);
      if (u8(at + 6) !== HOST_NAME || nameEnd > Math.min(end, bytes.length)) return "";
      return new TextDecoder("latin1").decode(bytes.slice(start, nameEnd)).toLowerCase().replace(/\.$/, "");
    }
    at = end;
  }
  return "";
}

/** Whether the DNS names of a certificate cover this name, which is in lower case. `*.` stands for any first label. */
export function coversServerName(names: readonly string[], serverName: string): boolean {
  const parent = serverName.slice(serverName.indexOf("."));
  return names
    .map((name) => name.toLowerCase())
    .some(
      (name) =>
        name === serverName || (name.startsWith("*.") && parent !== serverName && name.slice(1) === parent),
    );
}

/** The context that is for a server name; the first one if none is, or if the client asks for none. */
export function chooseByServerName<T extends { readonly names: readonly string[] }>(
  contexts: readonly T[],
  serverName: string,
): T {
  const chosen = contexts.find(({ names }) => serverName !== "" && coversServerName(names, serverName));
  return chosen ?? contexts[0]!;
}
