import { Buffer } from "node:buffer";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { runtimeInflater } from "../../src/protocol/websocket/runtime_inflater.ts";
import { type FrameParts, frame } from "../../src/protocol/websocket/testing/frames.ts";
import { DEADLINE_MS } from "./deadline.ts";
import { type Info, RawClient, show } from "./raw_client.ts";
import type { ServerProcess } from "./server_process.ts";

/** Header lines of the request that upgrades. */
export const UPGRADE_LINES = [
  "Host: 127.0.0.1",
  "Upgrade: websocket",
  "Connection: keep-alive, Upgrade",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];
export const DEFLATE_LINE =
  "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover";
export const NO_MASKING_LINE = "Nats-No-Masking: true";
export const BROWSER_LINE = "User-Agent: Mozilla/5.0 (X11) Chrome/1 Safari/1";

const QUIET = { verbose: false, pedantic: false, headers: true, no_responders: true };
const PING = "PING\r\n";
const CLOSE = 8;
const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;

/** A frame as it came. */
export interface Frame {
  readonly opcode: number;
  readonly isFinal: boolean;
  readonly isCompressed: boolean;
  readonly payload: Buffer;
}

export interface PeerOptions {
  /** More header lines. */
  readonly headers?: readonly string[];
  readonly path?: string;
  /** For wss. */
  readonly tls?: ConnectionOptions;
  /** Frames go out without a mask. */
  readonly isUnmasked?: boolean;
}

/** Port of the server's websocket listener, as logged. */
export function webSocketPort(server: ServerProcess, scheme: "ws" | "wss" = "ws"): number {
  return server.listenerPort(`Listening for websocket clients on ${scheme}://`);
}

/** Connects to the listener and sends nothing. */
export async function openListener(server: ServerProcess, tls?: ConnectionOptions): Promise<RawClient> {
  if (tls === undefined) return RawClient.open(webSocketPort(server));
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      port: webSocketPort(server, "wss"),
      host: "127.0.0.1",
      servername: "localhost",
      rejectUnauthorized: tls.ca !== undefined,
      ...tls,
    });
    socket.once("error", reject);
    socket.once("secureConnect", () => {
      socket.off("error", reject);
      resolve(RawClient.over(socket));
    });
  });
}

/** A WebSocket whose frames a test sees one by one, and the bytes in them as one stream. */
export class WebSocketPeer {
  readonly client: RawClient;
  /** The answer to the upgrade. */
  readonly head: string;
  info: Info = {} as Info;
  readonly #mask: readonly number[] | null;
  /** Payload that no test has taken yet. */
  #stream = Buffer.alloc(0);

  private constructor(client: RawClient, head: string, isUnmasked: boolean) {
    this.client = client;
    this.head = head;
    this.#mask = isUnmasked ? null : [0x9a, 0x01, 0xff, 0x42];
    // What comes are frames, not lines.
    client.showsKeepAlive = true;
  }

  /** Upgrades and reads INFO, which is the first frame. */
  static async open(server: ServerProcess, options: PeerOptions = {}): Promise<WebSocketPeer> {
    const peer = await WebSocketPeer.upgrade(server, options);
    const line = await peer.readLine();
    peer.info = JSON.parse(line.slice("INFO ".length)) as Info;
    return peer;
  }

  /** Upgrades and reads no frame. */
  static async upgrade(server: ServerProcess, options: PeerOptions = {}): Promise<WebSocketPeer> {
    const { headers = [], path = "/", tls, isUnmasked = false } = options;
    const client = await openListener(server, tls);
    client.send(`GET ${path} HTTP/1.1\r\n${[...UPGRADE_LINES, ...headers].join("\r\n")}\r\n\r\n`);
    const head = await client.readUntil("\r\n\r\n");
    if (!head.startsWith("HTTP/1.1 101 ")) throw new Error(`no upgrade but ${show(head)}`);
    return new WebSocketPeer(client, head, isUnmasked);
  }

  /** Opens, and logs in with these fields of CONNECT over quiet ones. */
  static async connect(
    server: ServerProcess,
    fields: Record<string, unknown> = {},
    options: PeerOptions = {},
  ): Promise<WebSocketPeer> {
    const peer = await WebSocketPeer.open(server, options);
    await peer.login(fields);
    return peer;
  }

  async login(fields: Record<string, unknown> = {}): Promise<void> {
    this.send(`CONNECT ${JSON.stringify({ ...QUIET, ...fields })}\r\nPING\r\n`);
    await this.expect("PONG\r\n");
  }

  /** Sends the text as one binary frame. */
  send(payload: string | Uint8Array): void {
    this.sendFrames({ payload });
  }

  /** Sends frames, all in one write. */
  sendFrames(...frames: readonly FrameParts[]): void {
    this.client.send(...frames.map((parts) => frame({ mask: this.#mask, ...parts })));
  }

  async readFrame(deadlineMs = DEADLINE_MS): Promise<Frame> {
    const [first, second] = [...(await this.client.readBytes(2, deadlineMs))] as [number, number];
    if ((second & 0x80) !== 0) throw new Error(`the server's frame ${first} ${second} has a mask`);
    let length = second & 0x7f;
    if (length === 126) length = Buffer.from(await this.client.readBytes(2)).readUInt16BE();
    else if (length === 127) length = Number(Buffer.from(await this.client.readBytes(8)).readBigUInt64BE());
    return {
      opcode: first & 0x0f,
      isFinal: (first & 0x80) !== 0,
      isCompressed: (first & 0x40) !== 0,
      payload: Buffer.from(await this.client.readBytes(length, deadlineMs)),
    };
  }

  /** Takes exactly this text from binary frames. */
  async expect(text: string, deadlineMs = DEADLINE_MS): Promise<void> {
    const wanted = Buffer.from(text);
    while (true) {
      this.#dropKeepAlive(text);
      const count = Math.min(wanted.length, this.#stream.length);
      if (!this.#stream.subarray(0, count).equals(wanted.subarray(0, count))) {
        throw new Error(`expected ${show(wanted)}\n but received ${show(this.#stream)}`);
      }
      if (count === wanted.length) break;
      await this.#readMore(deadlineMs);
    }
    this.#stream = this.#stream.subarray(wanted.length);
  }

  /** Takes text from binary frames up to and including `end`. */
  async readUntil(end: string): Promise<string> {
    for (;;) {
      const at = this.#stream.indexOf(end);
      if (at >= 0) {
        const text = this.#stream.subarray(0, at + end.length).toString();
        this.#stream = this.#stream.subarray(at + end.length);
        return text;
      }
      await this.#readMore(DEADLINE_MS);
    }
  }

  /** The text of the next message, which may be compressed, and whether it was. */
  async readMessage(): Promise<{ text: string; isCompressed: boolean }> {
    const { opcode, isFinal, isCompressed, payload } = await this.readFrame();
    if (opcode !== 2 || !isFinal) throw new Error(`expected a message of one frame but opcode ${opcode}`);
    if (!isCompressed) return { text: payload.toString(), isCompressed };
    const message = runtimeInflater.inflate([payload], MESSAGE_BYTES_MAX);
    if (message === null) throw new Error("the message cannot be inflated");
    const text = new Uint8Array(message.leftBytes);
    message.take(text);
    return { text: Buffer.from(text).toString(), isCompressed };
  }

  /** Takes one line, without its CR LF. */
  async readLine(): Promise<string> {
    let end = this.#stream.indexOf("\r\n");
    for (; end < 0; end = this.#stream.indexOf("\r\n")) await this.#readMore(DEADLINE_MS);
    const line = this.#stream.subarray(0, end).toString();
    this.#stream = this.#stream.subarray(end + 2);
    if (line !== "PING") return line;
    this.send("PONG\r\n");
    return this.readLine();
  }

  async roundTrip(): Promise<void> {
    this.send("PING\r\n");
    await this.expect("PONG\r\n");
  }

  /** A frame that says goodbye with this status and text, then the end. */
  async expectClose(status: number, text: string): Promise<void> {
    const { opcode, payload } = await this.#nextButKeepAlive();
    const said = payload.length < 2 ? "nothing" : `${payload.readUInt16BE()} ${payload.subarray(2)}`;
    if (opcode !== CLOSE || said !== `${status} ${text}`) {
      throw new Error(`expected a close frame ${status} ${text} but opcode ${opcode} says ${said}`);
    }
    await this.client.expectClosed();
  }

  /** The end comes, with or without a goodbye before it: this is what it says, "" without. */
  async readGoodbye(): Promise<string> {
    const rest = Buffer.from(await this.client.readToEnd(), "latin1");
    if (rest.length === 0) return "";
    if (rest[0] !== (0x80 | CLOSE)) throw new Error(`expected a close frame or nothing but ${show(rest)}`);
    return `${rest.readUInt16BE(2)} ${rest.subarray(4)}`;
  }

  destroy(): void {
    this.client.destroy();
  }

  async #nextButKeepAlive(): Promise<Frame> {
    while (true) {
      const next = await this.readFrame();
      if (next.opcode === CLOSE || next.payload.toString() !== PING) return next;
      this.send("PONG\r\n");
    }
  }

  async #readMore(deadlineMs: number): Promise<void> {
    const { opcode, isFinal, isCompressed, payload } = await this.readFrame(deadlineMs);
    if (opcode !== 2 || !isFinal || isCompressed) {
      throw new Error(
        `expected a plain binary frame but opcode ${opcode} says ${show(payload)}, after ${show(this.#stream)}`,
      );
    }
    this.#stream = Buffer.concat([this.#stream, payload]);
  }

  /** A PING of the server's own, about two seconds after CONNECT, is answered and left out. */
  #dropKeepAlive(wanted: string): void {
    if (wanted.startsWith(PING) || !this.#stream.subarray(0, PING.length).equals(Buffer.from(PING))) return;
    this.#stream = this.#stream.subarray(PING.length);
    this.send("PONG\r\n");
  }
}
