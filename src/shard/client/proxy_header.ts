/**
 * The header in which a proxy tells its client's address, before anything that the client sends. Source: HAProxy's
 * PROXY protocol, versions 1 and 2; nats-server `readProxyProtoHeader`, whose wording the problems have.
 */
import { goQuoteText } from "../../protocol/go_quote.ts";
import { canonicalIp, ipText, type SocketAddress } from "../../runtime/posix/socket_address.ts";
import { bytesOf } from "../../subject/byte_string.ts";

const PREFIX_1 = "PROXY ";
const SIGNATURE_2 = "\r\n\r\n\0\r\nQUIT\n";
const PREFIX_BYTES = PREFIX_1.length;
/** Longest line of version 1, including its end. */
const LINE_BYTES_MAX = 107;
const FIXED_BYTES_2 = 4;
const PORT_MAX = 65535;

const VERSION_2 = 0x20;
const COMMAND_LOCAL = 0;
const COMMAND_PROXY = 1;
const FAMILY_UNSPECIFIED = 0x00;
const FAMILY_INET = 0x10;
const FAMILY_INET6 = 0x20;
const PROTOCOL_STREAM = 1;

/** More bytes are wanted, the header is complete, there is no header, or the header is broken. */
export type HeaderOutcome = "reading" | "complete" | "absent" | "broken";

/**
 *   prefix ─▶ line                                       version 1
 *     └─────▶ signature ─▶ fixed ─▶ address                version 2
 */
type Part = "prefix" | "line" | "signature" | "fixed" | "address" | "local" | "unspecified";

/** Parses a header without asking for bytes behind it: those may be for another reader. */
export class ProxyHeader {
  outcome: HeaderOutcome = "reading";
  /** The client's address; null if the header is from the proxy itself, or does not tell it. */
  source: SocketAddress | null = null;
  /** What is wrong with the header, "" for nothing. */
  problem = "";
  /** The header so far, one character per byte. */
  text = "";

  #part: Part = "prefix";
  #partStart = 0;
  #partBytes = PREFIX_BYTES;
  #family = FAMILY_UNSPECIFIED;

  /** Whether a header may begin with that byte. */
  static mayBeginWith(byte: number): boolean {
    const first = String.fromCharCode(byte);
    return first === PREFIX_1[0] || first === SIGNATURE_2[0];
  }

  /** Bytes of the header that are at least still to come, while it is being read. */
  get wantedBytes(): number {
    if (this.outcome !== "reading") return 0;
    if (this.#part !== "line") return this.#partStart + this.#partBytes - this.text.length;
    return this.text.endsWith("\r") ? 1 : Math.min(2, LINE_BYTES_MAX - this.text.length);
  }

  /** Takes the next bytes; not more than were wanted. */
  add(bytes: Uint8Array): void {
    this.text += String.fromCharCode(...bytes);
    if (this.#part === "prefix" && !PREFIX_1.startsWith(this.text) && !SIGNATURE_2.startsWith(this.text)) {
      this.outcome = "absent";
    } else if (this.#part === "line") this.#takeLine();
    else if (this.wantedBytes === 0) this.#takePart();
  }

  /** Describes the failure if nothing more can be read because of `cause`. */
  end(cause: string): string {
    const isCut = cause === "EOF" && this.text.length > this.#partStart && WHOLE_PARTS.has(this.#part);
    return `${WHAT_FAILED[this.#part](this.#family)}: ${isCut ? "unexpected EOF" : cause}`;
  }

  #takeLine(): void {
    if (this.text.endsWith("\r\n")) this.#parseLine(this.text.slice(PREFIX_BYTES, -2));
    else if (this.text.length === LINE_BYTES_MAX) this.#refuse("v1 line too long");
  }

  #takePart(): void {
    const part = this.text.slice(this.#partStart);
    switch (this.#part) {
      case "prefix":
        if (this.text === PREFIX_1) this.#expect("line", 0);
        else this.#expect("signature", SIGNATURE_2.length - PREFIX_BYTES);
        break;
      case "signature":
        if (this.text === SIGNATURE_2) this.#expect("fixed", FIXED_BYTES_2);
        else this.#refuse("invalid signature");
        break;
      case "fixed":
        this.#parseFixed(bytesOf(part));
        break;
      case "address":
        this.#parseAddress(bytesOf(part));
        break;
      default:
        this.outcome = "complete";
    }
  }

  #expect(part: Part, bytes: number): void {
    this.#part = part;
    this.#partStart = this.text.length;
    this.#partBytes = bytes;
    if (bytes === 0 && (part === "local" || part === "unspecified")) this.outcome = "complete";
  }

  #parseLine(line: string): void {
    const [protocol, source, destination, sourcePort, destinationPort, ...more] = line.trim().split(/\s+/);
    if (protocol === "UNKNOWN") {
      this.outcome = "complete";
      return;
    }
    if (destinationPort === undefined || more.length > 0) {
      this.#refuse("invalid v1 format");
      return;
    }
    const addresses = [source!, destination!];
    const ip = canonicalIp(source!);
    if (ip === undefined || canonicalIp(destination!) === undefined) {
      this.#refuse("invalid address");
      return;
    }
    const portProblem = findPortProblem("source", sourcePort!) || findPortProblem("dest", destinationPort);
    if (portProblem !== "") {
      this.#break(portProblem);
      return;
    }
    // The notation of an address decides its family: an IPv4-mapped address is IPv6.
    const areOfIpv6 = addresses.map((address) => address.includes(":"));
    if (protocol === "TCP4" && areOfIpv6.includes(true)) this.#refuse("TCP4 with IPv6 address");
    else if (protocol === "TCP6" && areOfIpv6.includes(false)) this.#refuse("TCP6 with IPv4 address");
    else if (protocol !== "TCP4" && protocol !== "TCP6") this.#refuse(`invalid protocol ${protocol}`);
    else this.#complete(ip, Number(sourcePort));
  }

  #parseFixed([versionAndCommand, familyAndProtocol, high, low]: Uint8Array): void {
    const version = versionAndCommand! & 0xf0;
    const command = versionAndCommand! & 0x0f;
    const family = familyAndProtocol! & 0xf0;
    const addressBytes = (high! << 8) | low!;
    this.#family = family;
    if (version !== VERSION_2) this.#refuse(`invalid version ${hex(version)}`);
    else if (command === COMMAND_LOCAL) this.#expect("local", addressBytes);
    else if (command !== COMMAND_PROXY) this.#break(`unknown PROXY protocol command: ${hex(command)}`);
    else if ((familyAndProtocol! & 0x0f) !== PROTOCOL_STREAM) {
      this.#break("unsupported PROXY protocol feature: only STREAM protocol supported");
    } else if (family === FAMILY_UNSPECIFIED) this.#expect("unspecified", addressBytes);
    else if (family !== FAMILY_INET && family !== FAMILY_INET6) {
      this.#break(`unsupported PROXY protocol feature: unsupported address family ${hex(family)}`);
    } else if (addressBytes < 2 * ipBytes(family) + 4) {
      this.#break(`${FAMILY_NAMES[family]} address data too short: ${addressBytes} bytes`);
    } else this.#expect("address", addressBytes);
  }

  /** Takes the source's address and port. Anything behind both addresses and ports is ignored. */
  #parseAddress(bytes: Uint8Array): void {
    const length = ipBytes(this.#family);
    const ip = ipText(bytes.subarray(0, length));
    this.#complete(ip, (bytes[2 * length]! << 8) | bytes[2 * length + 1]!);
  }

  #complete(ip: string, port: number): void {
    this.source = { ip, port };
    this.outcome = "complete";
  }

  #refuse(what: string): void {
    this.#break(`invalid PROXY protocol header: ${what}`);
  }

  #break(problem: string): void {
    this.problem = problem;
    this.outcome = "broken";
  }
}

const FAMILY_NAMES: Readonly<Record<number, string>> = { [FAMILY_INET]: "IPv4", [FAMILY_INET6]: "IPv6" };

/** Parts that nats-server reads as a whole: its words then depend on whether some of the part has come. */
const WHOLE_PARTS: ReadonlySet<Part> = new Set<Part>(["prefix", "signature", "fixed", "address"]);

const WHAT_FAILED: Readonly<Record<Part, (family: number) => string>> = {
  prefix: () => "failed to read protocol version",
  line: () => "failed to read v1 line",
  signature: () => "failed to read v2 signature",
  fixed: () => "failed to read v2 header",
  address: (family) => `failed to read ${FAMILY_NAMES[family]} address data`,
  local: () => "failed to discard LOCAL command address data",
  unspecified: () => "failed to discard UNSPEC address address data",
};

function ipBytes(family: number): number {
  return family === FAMILY_INET ? 4 : 16;
}

/** The error of Go's `strconv.ParseUint` for a text that is no port; "" for a port. */
function findPortProblem(which: "source" | "dest", text: string): string {
  const isNumber = /^\d+$/.test(text);
  if (isNumber && Number(text) <= PORT_MAX) return "";
  const cause = isNumber ? "value out of range" : "invalid syntax";
  return `invalid ${which} port: strconv.ParseUint: parsing ${goQuoteText(text)}: ${cause}`;
}

function hex(byte: number): string {
  return `0x${byte.toString(16).padStart(2, "0")}`;
}
