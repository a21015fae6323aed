import { Buffer } from "node:buffer";

const LF = 0x0a;
/** No line of a server is longer than this; a longer one comes from a broken frame. */
const LINE_BYTES_MAX = 256 * 1024;
const VERB = /^(?:INFO \{.*\} ?|PING|PONG|\+OK|-ERR '.*')$/s;
const SIZE = /^(?:0|[1-9]\d{0,9})$/;

/** What a server says, taken apart. */
export interface ServerOutputEvents {
  /** One MSG or HMSG; `headerBytes` is 0 for a MSG. `payload` is headers and payload together. */
  message(subject: string, sid: string, payload: Buffer, headerBytes: number, reply: string): void;
  /** Any other line, without its CR LF. */
  line(text: string): void;
}

/**
 * Takes a server's output apart, however it is cut, and throws at the first byte that no NATS server sends. Text is
 * latin1: subjects are bytes.
 */
export class ServerOutput {
  readonly #events: ServerOutputEvents;
  #parts: Buffer[] = [];
  #length = 0;
  /** Bytes that must be there before it is worth looking again. */
  #needed = 1;

  constructor(events: ServerOutputEvents) {
    this.#events = events;
  }

  /** Bytes of an operation that is not complete. */
  get waitingBytes(): number {
    return this.#length;
  }

  feed(bytes: Buffer): void {
    this.#parts.push(bytes);
    this.#length += bytes.length;
    if (this.#length < this.#needed) return;
    const all = this.#parts.length === 1 ? bytes : Buffer.concat(this.#parts);
    let at = 0;
    this.#needed = 1;
    while (at < all.length) {
      const next = this.#takeOne(all, at);
      if (next < 0) break;
      at = next;
    }
    const rest = all.subarray(at);
    this.#parts = rest.length === 0 ? [] : [rest];
    this.#length = rest.length;
  }

  /** Takes the operation at `start`; returns where the next begins, or −1 and sets how much is needed. */
  #takeOne(all: Buffer, start: number): number {
    const lineFeed = all.indexOf(LF, start);
    if (lineFeed < 0) {
      if (all.length - start > LINE_BYTES_MAX)
        throw broken("a line without an end", all.subarray(start, start + 200));
      this.#needed = all.length - start + 1;
      return -1;
    }
    const line = all.toString("latin1", start, lineFeed + 1);
    if (!line.endsWith("\r\n")) throw broken("a line that does not end in CR LF", line);
    const text = line.slice(0, -2);
    if (text.startsWith("MSG ") || text.startsWith("HMSG ")) {
      return this.#takeMessage(all, start, lineFeed + 1, text);
    }
    if (!VERB.test(text)) throw broken("no operation of a server", line);
    this.#events.line(text);
    return lineFeed + 1;
  }

  #takeMessage(all: Buffer, start: number, payloadStart: number, text: string): number {
    const words = text.split(" ");
    const isPlain = words[0] === "MSG";
    const sizeWords = isPlain ? 1 : 2;
    const hasReply = words.length === 4 + sizeWords;
    const sizes = words.slice(-sizeWords);
    if ((words.length !== 3 + sizeWords && !hasReply) || !sizes.every((size) => SIZE.test(size)))
      throw broken("no message line", text);
    const total = Number(sizes.at(-1));
    const headerBytes = isPlain ? 0 : Number(sizes[0]);
    if (headerBytes > total) throw broken("headers larger than the whole", text);
    const payloadEnd = payloadStart + total;
    if (all.length < payloadEnd + 2) {
      this.#needed = payloadEnd + 2 - start;
      return -1;
    }
    if (all[payloadEnd] !== 0x0d || all[payloadEnd + 1] !== LF)
      throw broken("a payload that CR LF does not follow", text);
    const reply = hasReply ? words[3]! : "";
    this.#events.message(words[1]!, words[2]!, all.subarray(payloadStart, payloadEnd), headerBytes, reply);
    return payloadEnd + 2;
  }
}

function broken(what: string, bytes: string | Uint8Array): Error {
  const text = typeof bytes === "string" ? bytes : Buffer.from(bytes).toString("latin1");
  return new Error(`the server sent ${what}: ${JSON.stringify(text.slice(0, 300))}`);
}
