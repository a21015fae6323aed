import { type CloseReason, closeReasonEntry } from "../../../protocol/close_reason.ts";
import { byteStringOf } from "../../../subject/byte_string.ts";
import type { CompressionLevel, LinkConnection, LinkTls, LinkUpgrade, LinkUpgradeOutcome } from "../link.ts";

/** A connection that keeps what is sent over it, as byte strings, until a test takes it. */
export class FakeConnection implements LinkConnection {
  readonly id: number;
  readonly remoteIp: string;
  readonly remotePort: number;
  /** The reason why it was closed, "" while it is open. */
  closed = "";
  closeReason: CloseReason | null = null;
  tls: LinkTls | null = null;
  #sent = "";
  webSocket: LinkUpgrade | null = null;
  #thenTls = () => {};
  #thenWebSocket: (outcome: LinkUpgradeOutcome) => void = () => {};

  constructor(id: number, remoteIp = "127.0.0.1", remotePort = 40_000 + id) {
    this.id = id;
    this.remoteIp = remoteIp;
    this.remotePort = remotePort;
  }

  send(bytes: Uint8Array | string): void {
    if (this.closed !== "") throw new Error("sent after close");
    this.#sent += typeof bytes === "string" ? bytes : byteStringOf(bytes);
  }

  close(reason: CloseReason): void {
    if (this.closed !== "") return;
    this.closed = closeReasonEntry(reason).text;
    this.closeReason = reason;
  }

  startTls(options: LinkTls, then: () => void): void {
    this.tls = options;
    this.#thenTls = then;
  }

  finishTls(): void {
    this.#thenTls();
  }

  startWebSocket(options: LinkUpgrade, then: (outcome: LinkUpgradeOutcome) => void): void {
    this.webSocket = options;
    this.#thenWebSocket = then;
  }

  finishWebSocket(outcome: LinkUpgradeOutcome): void {
    this.#thenWebSocket(outcome);
  }

  compress(level: CompressionLevel): void {
    this.#sent += `<${level}>\r\n`;
  }

  /** What has been sent since the last call; a line `<level>` marks where compression begins. */
  take(): string {
    const sent = this.#sent;
    this.#sent = "";
    return sent;
  }
}
