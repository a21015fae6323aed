import type { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import { until } from "../support/deadline.ts";
import type { Login } from "../support/login.ts";
import type { Bytes } from "../support/raw_client.ts";
import { ServerOutput } from "./server_output.ts";

const WAIT_MS = 30_000;

/** What a `StreamClient` hands on as it arrives. */
export interface StreamEvents {
  message?(subject: string, sid: string, payload: Buffer, headerBytes: number): void;
}

/**
 * A client for many messages: checks the framing of everything it receives, keeps counts instead of bytes, and answers
 * the server's PING. Where `RawClient` judges a conversation byte by byte, this one carries the load.
 */
export class StreamClient {
  readonly #socket: Socket;
  readonly #output: ServerOutput;
  messages = 0;
  payloadBytes = 0;
  /** Texts of the `-ERR` lines. */
  readonly errors: string[] = [];
  isClosed = false;
  /** The first thing that went wrong with what was received. */
  failure: Error | undefined;
  maxPayloadBytes = 0;
  #nonce: string | undefined;
  #pongs = 0;
  #pings = 0;

  private constructor(socket: Socket, events: StreamEvents) {
    this.#socket = socket;
    socket.setNoDelay(true);
    this.#output = new ServerOutput({
      message: (subject, sid, payload, headerBytes) => {
        this.messages++;
        this.payloadBytes += payload.length;
        events.message?.(subject, sid, payload, headerBytes);
      },
      line: (text) => this.#takeLine(text),
    });
    socket.on("data", (bytes: Buffer) => {
      if (this.failure !== undefined) return;
      try {
        this.#output.feed(bytes);
      } catch (error) {
        this.failure = error as Error;
        socket.destroy();
      }
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      this.isClosed = true;
    });
  }

  /**
   * Connects to 127.0.0.1, sends CONNECT with these fields over quiet ones, and waits for the PONG. Fields may be made
   * of the nonce that INFO has.
   */
  static async open(port: number, events: StreamEvents = {}, fields: Login = {}): Promise<StreamClient> {
    const socket = await new Promise<Socket>((resolve, reject) => {
      const connecting = connect({ port, host: "127.0.0.1" });
      connecting.once("error", reject);
      connecting.once("connect", () => {
        connecting.off("error", reject);
        resolve(connecting);
      });
    });
    const client = new StreamClient(socket, events);
    let credentials = fields;
    if (typeof credentials === "function") {
      await client.waitFor(() => client.#nonce !== undefined, "INFO with a nonce");
      credentials = credentials(client.#nonce ?? "");
    }
    const connectFields = { verbose: false, pedantic: false, headers: true, ...credentials };
    client.send(`CONNECT ${JSON.stringify(connectFields)}\r\n`);
    await client.roundTrip();
    return client;
  }

  get socket(): Socket {
    return this.#socket;
  }

  /** Bytes of ours that the kernel has not taken yet. */
  get unsentBytes(): number {
    return this.#socket.writableLength;
  }

  send(bytes: Bytes): void {
    this.#socket.write(bytes);
  }

  /** Sends, and resolves once the operating system took all of it, or the connection is gone. */
  sendAll(bytes: Bytes): Promise<void> {
    return new Promise((resolve) => {
      this.#socket.write(bytes, () => resolve());
    });
  }

  /** PING, and the PONG to it: everything sent before has been handled. Fails when the connection ends instead. */
  async roundTrip(deadlineMs = WAIT_MS): Promise<void> {
    this.send("PING\r\n");
    const wanted = ++this.#pings;
    await this.waitFor(
      () => this.#pongs >= wanted,
      `PONG ${wanted}, of which ${this.#pongs} came`,
      deadlineMs,
    );
  }

  /** Waits for a condition on what arrived. */
  async waitFor(isDone: () => boolean, wanted: string, deadlineMs = WAIT_MS): Promise<void> {
    await until(
      () => isDone() || this.isClosed,
      () => `there is no ${wanted} (${this.messages} messages came, ${this.errors.join(", ") || "no error"})`,
      deadlineMs,
    );
    if (this.failure !== undefined) throw this.failure;
    if (!isDone())
      throw new Error(`the connection closed without ${wanted}: ${this.errors.join(", ") || "no error"}`);
  }

  /** Waits until the server closes the connection. */
  async waitForClose(deadlineMs = WAIT_MS): Promise<void> {
    await until(
      () => this.isClosed,
      () => "the server has not closed the connection",
      deadlineMs,
    );
    if (this.failure !== undefined) throw this.failure;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Closes with FIN. */
  end(): void {
    this.#socket.end();
  }

  /** Closes with RST, whatever was in flight. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #takeLine(text: string): void {
    if (text === "PING") this.send("PONG\r\n");
    else if (text === "PONG") this.#pongs++;
    else if (text.startsWith("-ERR")) this.errors.push(text);
    else if (text.startsWith("INFO ")) {
      const info = JSON.parse(text.slice(5)) as { max_payload: number; nonce?: string };
      this.maxPayloadBytes = info.max_payload;
      this.#nonce ??= info.nonce;
    }
  }
}
