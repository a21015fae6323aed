import { IN_PLACE_BYTES_MAX } from "../memory/layout.ts";
import { type MessageBytes, withHeader } from "../protocol/set_header.ts";
import type { MessageTrace } from "../protocol/tracing/message_trace.ts";
import { TRACE_DESTINATION } from "../protocol/tracing/trace_request.ts";
import { byteStringOf, bytesOf } from "../subject/byte_string.ts";
import { type Collected, fill } from "./collected.ts";

/** The connection slot that stands for every publisher that is no client of this shard. */
export const FABRIC_SLOT = 0;
const SPACE = 0x20;
const CR_LF_BYTES = 2;
const NO_HEADERS = new Uint8Array(0);

/**
 * A message outside the shared memory. Either it is too large for the receive buffer, and its payload is collected
 * here, or the host handles it without the engine.
 */
export class HeldMessage implements Collected {
  /** The context that it is delivered under. */
  readonly context: number;
  /** Slot of the connection that publishes it. */
  readonly origin: number;
  readonly subject: Uint8Array;
  /** `[reply ][header size ]size␍␊` in plain form. */
  readonly line: Uint8Array;
  readonly replyLength: number;
  /** Length of its headers, −1 for a PUB. */
  readonly headerLength: number;
  readonly payloadLength: number;
  /** Headers, payload and the CR LF after them. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  filled = 0;
  /** Where what happens to it is reported; null for nearly all messages. */
  trace: MessageTrace | null = null;

  constructor(
    context: number,
    origin: number,
    subject: Uint8Array,
    line: Uint8Array,
    replyLength: number,
    headerLength: number,
    payloadLength: number,
    bytes = new Uint8Array(new ArrayBuffer(payloadLength + 2)),
  ) {
    this.context = context;
    this.origin = origin;
    this.subject = subject;
    this.line = line;
    this.replyLength = replyLength;
    this.headerLength = headerLength;
    this.payloadLength = payloadLength;
    this.bytes = bytes;
  }

  /** Copies a message that lies complete in `from`. Its payload, with the CR LF after it, starts at `payloadStart`. */
  static copy(
    context: number,
    origin: number,
    subject: Uint8Array,
    reply: Uint8Array,
    headerLength: number,
    from: Uint8Array,
    payloadStart: number,
    payloadLength: number,
  ): HeldMessage {
    const line = plainLine(byteStringOf(reply), headerLength, payloadLength);
    const message = new HeldMessage(
      context,
      origin,
      subject,
      line,
      reply.length,
      headerLength,
      payloadLength,
    );
    message.fill(from, payloadStart, payloadStart + payloadLength + 2);
    return message;
  }

  /**
   * Copies a message whose line and payload lie in `bytes` from `rest` on, in plain form. `subject` is kept as it is.
   */
  static at(
    bytes: Uint8Array,
    context: number,
    origin: number,
    subject: Uint8Array,
    rest: number,
    lineLength: number,
    headerLength: number,
    payloadLength: number,
  ): HeldMessage {
    const payload = rest + lineLength;
    const content = bytes.slice(payload, payload + payloadLength + CR_LF_BYTES);
    const bare = plainLine("", headerLength, payloadLength);
    if (bare.length === lineLength) {
      return new HeldMessage(context, origin, subject, bare, 0, headerLength, payloadLength, content);
    }
    const line = bytes.slice(rest, payload);
    return HeldMessage.parse(context, subject, line, headerLength, payloadLength, origin, content);
  }

  /**
   * A message whose payload, with the CR LF after it, is at hand. `headerBytes` is 0 for one without headers. The reply
   * is a byte string.
   */
  static of(
    context: number,
    origin: number,
    subject: Uint8Array,
    reply: string,
    { bytes, headerBytes }: MessageBytes,
  ): HeldMessage {
    const headerLength = headerBytes === 0 ? -1 : headerBytes;
    const payloadLength = bytes.length - 2;
    const line = plainLine(reply, headerLength, payloadLength);
    return new HeldMessage(context, origin, subject, line, reply.length, headerLength, payloadLength, bytes);
  }

  /** Makes a message from its subject and line. Without `bytes`, its payload is still to be filled in. */
  static parse(
    context: number,
    subject: Uint8Array,
    line: Uint8Array,
    headerLength: number,
    payloadLength: number,
    origin = FABRIC_SLOT,
    bytes?: Uint8Array<ArrayBuffer>,
  ): HeldMessage {
    const first = line.indexOf(SPACE);
    // The line is `[reply ]size` or `[reply ]header-size size`.
    const isReplied = first !== (headerLength < 0 ? -1 : line.lastIndexOf(SPACE));
    return new HeldMessage(
      context,
      origin,
      subject,
      line,
      isReplied ? first : 0,
      headerLength,
      payloadLength,
      bytes,
    );
  }

  /** A message of the server itself. Its line has an empty reply, so two blanks follow the subject. */
  static fromServer(context: number, subject: Uint8Array, { bytes, headerBytes }: MessageBytes): HeldMessage {
    const headerLength = headerBytes === 0 ? -1 : headerBytes;
    const payloadLength = bytes.length - CR_LF_BYTES;
    const sizes = headerBytes === 0 ? `${payloadLength}` : `${headerBytes} ${payloadLength}`;
    const line = bytesOf(` ${sizes}\r\n`);
    return new HeldMessage(context, FABRIC_SLOT, subject, line, 0, headerLength, payloadLength, bytes);
  }

  /** Its headers and payload. */
  get content(): MessageBytes {
    return { bytes: this.bytes, headerBytes: Math.max(this.headerLength, 0) };
  }

  get reply(): Uint8Array {
    return this.line.subarray(0, this.replyLength);
  }

  /** The reply as a byte string. */
  get replyText(): string {
    return byteStringOf(this.line, 0, this.replyLength);
  }

  /** Whether its payload is too large to be copied into the shared memory, so that it is handed on from here. */
  get isLarge(): boolean {
    return this.payloadLength > IN_PLACE_BYTES_MAX;
  }

  /** The same message under another subject and context. It shares the bytes. */
  under(context: number, subject: Uint8Array): HeldMessage {
    const { origin, line, replyLength, headerLength, payloadLength, bytes } = this;
    const same = new HeldMessage(
      context,
      origin,
      subject,
      line,
      replyLength,
      headerLength,
      payloadLength,
      bytes,
    );
    same.trace = this.trace;
    return same;
  }

  /** The same message with other headers or another payload. */
  withContent(content: MessageBytes): HeldMessage {
    const same = HeldMessage.of(this.context, this.origin, this.subject, this.replyText, content);
    same.trace = this.trace;
    return same;
  }

  /** The same message with another trace, or none. */
  tracedBy(trace: MessageTrace | null): HeldMessage {
    const same = this.under(this.context, this.subject);
    same.trace = trace;
    return same;
  }

  /** The same message for other servers, which send their traces to `destination`. */
  withTrace(destination: string, trace: MessageTrace | null): HeldMessage {
    return this.withContent(withHeader(this.content, TRACE_DESTINATION, destination)).tracedBy(trace);
  }

  get isComplete(): boolean {
    return this.filled === this.bytes.length;
  }

  /** Takes as much of `from[start, end)` as is still missing. Returns how many bytes that was. */
  fill(from: Uint8Array, start: number, end: number): number {
    return fill(this, from, start, end);
  }

  endsWithLineBreak(): boolean {
    const { bytes } = this;
    return this.endsWithCr() && bytes[bytes.length - 1] === 0x0a;
  }

  /** Whether the first byte of the line break is where it must be. */
  endsWithCr(): boolean {
    return this.bytes[this.bytes.length - 2] === 0x0d;
  }
}

/** Puts the content of a message together from its parts. */
export function messageBytes(payload: Uint8Array, headers: Uint8Array = NO_HEADERS): MessageBytes {
  const bytes = new Uint8Array(headers.length + payload.length + CR_LF_BYTES);
  bytes.set(headers);
  bytes.set(payload, headers.length);
  bytes.set([0x0d, 0x0a], headers.length + payload.length);
  return { bytes, headerBytes: headers.length };
}

/** The last line without a reply, of a PUB and of an HPUB. Messages often have the size of the one before. */
const last = { pub: { sizes: "", line: bytesOf("") }, hpub: { sizes: "", line: bytesOf("") } };

/**
 * The plain form of what follows a subject in a PUB or HPUB line. The reply is a byte string. The caller must not
 * change the line.
 */
export function plainLine(reply: string, headerLength: number, payloadLength: number): Uint8Array {
  const sizes = headerLength < 0 ? `${payloadLength}\r\n` : `${headerLength} ${payloadLength}\r\n`;
  if (reply !== "") return bytesOf(`${reply} ${sizes}`);
  const known = headerLength < 0 ? last.pub : last.hpub;
  if (sizes !== known.sizes) {
    known.sizes = sizes;
    known.line = bytesOf(sizes);
  }
  return known.line;
}
