import { ATTRIBUTE_NAMES, type DistinguishedName, knownNameText } from "../base/x509.ts";
import { goQuoteText } from "../protocol/go_quote.ts";
import type { Claimed } from "./identity.ts";
import type { LoginLog, PeerIdentity } from "./login.ts";

/**
 * Which user a client certificate stands for (`verify_and_map`). Source: nats-server auth.go,
 * checkClientTLSCertSubject; RFC 4514 for names.
 */

/** The user of this name, if it may log in by a certificate. */
export interface MappableUsers<User> {
  find(name: string): User | undefined;
  /** Every user that may, in the order of the configuration. */
  all(): Iterable<{ readonly name: string; readonly user: User }>;
}

export interface CertificateMatch<User> {
  readonly user: User | undefined;
  readonly log: LoginLog;
}

/** The first user that the certificate names. The log line says which part of it named the user, or that none did. */
export function findCertificateUser<User>(
  identity: PeerIdentity | null,
  users: MappableUsers<User>,
): CertificateMatch<User> {
  if (identity === null) return miss("User required in cert, no peer certificates found");
  const { emails, dnsNames, uris, subject } = identity;
  if (emails.length + dnsNames.length + uris.length + subject.flat().length === 0) {
    return miss("User required in cert, none found");
  }
  const lists = [
    { names: emails, what: "email found in cert" },
    { names: dnsNames, what: "SAN found in cert" },
    { names: uris, what: "URI found in cert" },
  ];
  for (const { names, what } of lists) {
    for (const name of names) {
      const user = name === "" ? undefined : users.find(name);
      if (user !== undefined) return hit(user, name, what);
    }
  }
  const byName = findByDistinguishedName(subject, users);
  if (byName !== undefined) return hit(byName.user, byName.name, "DistinguishedNameMatch");
  const text = knownNameText(subject);
  const components = subject
    .flat()
    .flatMap(({ type, value }) => (type === DOMAIN_COMPONENT ? `DC=${value}` : []));
  if (components.length > 0) {
    const name = [text, ...components].join(",");
    const user = users.find(name);
    if (user !== undefined) return hit(user, name, "RDNSequence");
  }
  const user = text === "" ? undefined : users.find(text);
  if (user !== undefined) return hit(user, text, "certificate subject");
  return miss(`User in cert [${goQuoteText(text)}], not found`);
}

/**
 * Which of these users the certificate stands for. CONNECT then counts as coming from that user, whatever user it
 * names.
 */
export function mapCertificate<User extends { readonly name: string }>(
  identity: PeerIdentity | null,
  users: readonly User[],
  sent: Claimed,
): { readonly rule: User | undefined; readonly claimed: Claimed; readonly logs: readonly LoginLog[] } {
  const { user: rule, log } = findCertificateUser(identity, {
    find: (name) => users.find((user) => user.name === name),
    all: () => users.map((user) => ({ name: user.name, user })),
  });
  if (rule === undefined) return { rule, claimed: sent, logs: [log] };
  const claimed = { ...sent, user: rule.name };
  if (sent.user === "") return { rule, claimed, logs: [log] };
  const text = `User ${goQuoteText(sent.user)} found in connect proto, but user required from cert`;
  return { rule, claimed, logs: [log, { level: "warning", text }] };
}

function hit<User>(user: User, name: string, what: string): CertificateMatch<User> {
  return { user, log: { level: "debug", text: `Using ${what} for auth [${goQuoteText(name)}]` } };
}

function miss<User>(text: string): CertificateMatch<User> {
  return { user: undefined, log: { level: "debug", text } };
}

const DOMAIN_COMPONENT = "0.9.2342.19200300.100.1.25";

/**
 * The user whose name, read as a distinguished name, equals the subject; else one with the same parts in another order.
 */
function findByDistinguishedName<User>(subject: DistinguishedName, users: MappableUsers<User>) {
  const wanted: string[] = [];
  for (const part of subject) {
    if (part.length === 0) continue;
    const named: Attribute[] = [];
    for (const { type, value } of part) {
      const name = type === DOMAIN_COMPONENT ? "DC" : ATTRIBUTE_NAMES.get(type);
      if (name === undefined) return undefined; // what cannot be named cannot be compared
      named.push([name, value]);
    }
    wanted.unshift(keyOf(named)); // names are written last part first
  }
  if (wanted.length === 0) return undefined;
  const sorted = [...wanted].sort().join();
  let reordered: { readonly name: string; readonly user: User } | undefined;
  for (const candidate of users.all()) {
    const parts = parseDistinguishedName(candidate.name)?.map(keyOf);
    if (parts === undefined) continue;
    if (parts.join() === wanted.join()) return candidate;
    if (parts.sort().join() === sorted) reordered ??= candidate;
  }
  return reordered;
}

type Attribute = readonly [type: string, value: string];

/** Equal for equal parts: types in any case, the attributes of one part in any order. */
function keyOf(part: readonly Attribute[]): string {
  return JSON.stringify(part.map(([type, value]) => [type.toLowerCase(), value]).sort());
}

const [BLANK, HASH, PLUS, COMMA, EQUALS, BACKSLASH] = [0x20, 0x23, 0x2b, 0x2c, 0x3d, 0x5c];

/**
 * The parts of a name as RFC 4514 writes it, each one attribute or several joined by `+`. Undefined if it is none,
 * or has a value in BER (`#…`). A part without a value at the end is left out, as nats-server has it.
 */
export function parseDistinguishedName(text: string): readonly (readonly Attribute[])[] | undefined {
  const input = new TextEncoder().encode(text);
  const parts: Attribute[][] = [];
  let part: Attribute[] = [];
  let type = "";
  let bytes: number[] = [];
  /** What counts of `bytes`: blanks at the end do only when escaped. */
  let length = 0;
  const take = () => {
    const taken = new TextDecoder().decode(new Uint8Array(bytes.slice(0, length)));
    bytes = [];
    length = 0;
    return taken;
  };
  for (let i = 0; i < input.length; i++) {
    const byte = input[i]!;
    if (byte === BACKSLASH) {
      const escaped = readEscape(input, i + 1);
      if (escaped === undefined) return undefined;
      length = bytes.push(escaped.byte);
      i += escaped.lengthBytes;
    } else if (byte === EQUALS) {
      type = take();
      if (input[i + 1] === HASH) return undefined;
    } else if (byte === COMMA || byte === PLUS) {
      if (type === "") return undefined;
      part.push([type, take()]);
      type = "";
      if (byte === PLUS) continue;
      parts.push(part);
      part = [];
    } else if (byte !== BLANK) {
      length = bytes.push(byte);
    } else if (bytes.length > 0) {
      bytes.push(byte);
    }
  }
  if (bytes.length === 0) return parts;
  if (type === "") return undefined;
  part.push([type, take()]);
  return [...parts, part];
}

/** A special character, or two hexadecimal digits. */
function readEscape(input: Uint8Array, start: number): { byte: number; lengthBytes: number } | undefined {
  const character = String.fromCharCode(input[start] ?? 0);
  if (' "#+,;<=>\\'.includes(character)) return { byte: input[start]!, lengthBytes: 1 };
  const digits = character + String.fromCharCode(input[start + 1] ?? 0);
  return /^[0-9A-Fa-f]{2}$/.test(digits) ? { byte: Number.parseInt(digits, 16), lengthBytes: 2 } : undefined;
}
