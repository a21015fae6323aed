/** A stream of bytes through a `MessagePort`, to or from a socket of another thread. */
import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";

/** Each chunk is answered with `taken` once it has been taken. Until then no other is sent. */
type PortMessage = Uint8Array | "taken" | "end" | "destroyed";

/** How many bytes may wait to be sent, or to be read, before their source is told to wait. */
const WAITING_BYTES_MAX = 256 * 1024;

/** How long a closed connection may take to send what was written before. */
export const LINGER_MS = 2000;

/** Ends the stream through a port that nobody is going to serve. */
export function hangUp(port: MessagePort): void {
  port.postMessage("destroyed" satisfies PortMessage);
  port.close();
}

/** Two of these, on the two ports of a channel, are to a poller what the two ends of a socket are. */
export class PortStream extends Duplex {
  /** A property of sockets. This stream is connected all the time. */
  readonly connecting = false;
  readonly localAddress = "";
  readonly localPort = 0;
  readonly #port: MessagePort;
  /** Called when the chunk under way has been taken. */
  #sent: ((error?: Error | null) => void) | null = null;
  /** A chunk has come whose sender waits for the answer. */
  #owesAnswer = false;
  /** The other end writes nothing more. */
  #hasEnded = false;

  constructor(port: MessagePort) {
    super({ allowHalfOpen: true, highWaterMark: WAITING_BYTES_MAX });
    this.#port = port;
    port.onmessage = ({ data }) => this.#take(data as PortMessage);
    // Some runtimes report in this way that the thread with the other end has died.
    port.addEventListener("close", () => this.destroy());
  }

  /** Does nothing, because nothing is kept back here. */
  setNoDelay(): this {
    return this;
  }

  override _read(): void {
    if (!this.#owesAnswer) return;
    this.#owesAnswer = false;
    this.#send("taken");
  }

  override _write(chunk: Uint8Array, _encoding: string, callback: (error?: Error | null) => void): void {
    this.#sendBytes([chunk], callback);
  }

  override _writev(chunks: readonly { chunk: Uint8Array }[], callback: (error?: Error | null) => void): void {
    this.#sendBytes(
      chunks.map(({ chunk }) => chunk),
      callback,
    );
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#send("end");
    callback();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#send("destroyed");
    this.#port.close();
    callback(error);
  }

  #take(message: PortMessage): void {
    if (typeof message !== "string") {
      this.#owesAnswer = true;
      if (this.push(message)) this._read();
    } else if (message === "taken") {
      const sent = this.#sent;
      this.#sent = null;
      sent?.();
    } else if (message === "end") {
      this.#hasEnded = true;
      this.push(null);
    } else if (this.#hasEnded && !this.readableEnded) {
      // What came before the end is still to be read.
      const timer = setTimeout(() => this.destroy(), LINGER_MS);
      this.once("close", () => clearTimeout(timer));
      this.once("end", () => this.destroy());
    } else this.destroy();
  }

  #sendBytes(chunks: readonly Uint8Array[], callback: (error?: Error | null) => void): void {
    this.#sent = callback;
    // The copy is alone in its buffer, which then changes threads.
    const bytes = new Uint8Array(Buffer.concat(chunks));
    this.#port.postMessage(bytes satisfies PortMessage, [bytes.buffer]);
  }

  #send(message: PortMessage): void {
    this.#port.postMessage(message);
  }
}
