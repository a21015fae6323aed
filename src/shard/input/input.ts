/**
 * Reads what connections send into a receive buffer, behind what they kept, and gives it to their protocol. In a late
 * turn the rest of the input waits for the next turn, so that other connections are served in between. Hot: once per
 * read.
 */
import { READ_BYTES, READ_BYTES_FEW } from "../../memory/map.ts";
import { CloseReason } from "../../protocol/close_reason.ts";
import { HANGUP, NOT_INTO, READ_FAILED, READABLE, WOULD_BLOCK } from "../../runtime/poller.ts";
import type { ClientProtocol } from "../client/client_protocol.ts";
import type { Handshakes } from "../client/handshakes.ts";
import {
  type Connection,
  PHASE_PEER_CHECK,
  PHASE_SETTLED,
  STATE_CLOSING,
  STATE_NEW,
  STATE_WAITING,
} from "../connection.ts";
import type { ShardContext } from "../context.ts";
import type { LinkHost } from "../links/link_host.ts";
import type { Publishing } from "../publishing.ts";
import type { KeptInput } from "./kept_input.ts";

/** The most that is read at once straight to where a large message is collected. */
const READ_INTO_BYTES = 512 * 1024;
/** Less than this is read to the receive buffer, together with what follows it. */
const READ_INTO_BYTES_MIN = 64 * 1024;
/** The line break at the end is read to the receive buffer, so that whoever collects the message sees its end. */
const LAST_BYTES = 2;

type InputShard = Pick<ShardContext, "poller" | "receiveBuffers" | "outbound" | "close" | "pause" | "log">;

export class Input {
  readonly #shard: InputShard;
  readonly #kept: KeptInput;
  readonly #protocol: ClientProtocol;
  readonly #handshakes: Handshakes;
  readonly #publishing: Publishing;
  readonly #links: LinkHost | null;
  /** Connections whose kept input is to be taken: their turn was late, or the verdict that they waited for has come. */
  readonly #resumable: Connection[] = [];
  /** Bytes received in this turn. */
  receivedBytes = 0;

  constructor(
    shard: InputShard,
    kept: KeptInput,
    protocol: ClientProtocol,
    handshakes: Handshakes,
    publishing: Publishing,
    links: LinkHost | null,
  ) {
    this.#shard = shard;
    this.#kept = kept;
    this.#protocol = protocol;
    this.#handshakes = handshakes;
    this.#publishing = publishing;
    this.#links = links;
  }

  startTurn(): void {
    this.receivedBytes = 0;
  }

  /** Stops taking input until resume(). */
  hold(connection: Connection): void {
    this.#shard.poller.setInterest(connection.slot, false, connection.isWriteWanted);
  }

  resume(connection: Connection): void {
    this.#resumable.push(connection);
  }

  get hasResumable(): boolean {
    return this.#resumable.length > 0;
  }

  /**
   * Takes what was left over from the last turn, and what connections sent while their logins or certificates were
   * judged.
   */
  takeHeld(): void {
    for (const connection of this.#resumable.splice(0)) {
      if (connection.state >= STATE_CLOSING || connection.state === STATE_WAITING) continue;
      // The end of its pause will resume the connection.
      if (connection.isPostponed && connection.pausedUntilMs !== 0) continue;
      connection.isPostponed = false;
      this.#shard.poller.setInterest(connection.slot, true, connection.isWriteWanted);
      if (connection.keptLength === 0) {
        // TLS may have read ahead; no socket event will tell of that.
        this.read(connection, READABLE);
        continue;
      }
      this.#take(
        connection,
        this.#kept.restore(connection, this.#shard.receiveBuffers.take(connection.keptLength)),
      );
    }
  }

  /** Goes on with what stands between a connection and its protocol. Returns true once nothing does. */
  proceed(connection: Connection): boolean {
    return connection.isLink ? this.#links!.proceed(connection) : this.#handshakes.proceed(connection);
  }

  /** Reads an open connection; `flags` are the poller's. */
  read(connection: Connection, flags: number): void {
    const { poller } = this.#shard;
    if (connection.phase === PHASE_PEER_CHECK) {
      if ((flags & HANGUP) !== 0) this.#shard.close(connection, CloseReason.TlsHandshakeFailure);
      return;
    }
    if (connection.phase !== PHASE_SETTLED && !this.proceed(connection)) return;
    if (connection.isPostponed || (connection.pausedUntilMs !== 0 && (flags & HANGUP) === 0)) return;
    if (connection.state === STATE_WAITING) {
      // Few clients send more before they know that they are logged in, so the connection is held only now.
      if ((flags & HANGUP) !== 0) this.#shard.close(connection, CloseReason.ClientClosed);
      else this.hold(connection);
      return;
    }
    if (this.#readCollected(connection)) return;
    const from = this.#kept.restore(connection, this.#shard.receiveBuffers.take(connection.keptLength));
    // A client whose login may have to wait must not make the server keep much more than its CONNECT meanwhile.
    const mayWait = connection.state === STATE_NEW && this.#protocol.logins.isRequired(connection);
    const bytesMax = mayWait || connection.readsLittle ? READ_BYTES_FEW : READ_BYTES;
    connection.readsLittle = false;
    const count = poller.read(connection.slot, from, bytesMax);
    if (count === WOULD_BLOCK) return;
    if (count <= 0) {
      this.#end(connection, count);
      return;
    }
    this.receivedBytes += count;
    this.#take(connection, from + count);
  }

  /**
   * Reads the rest of a large message straight to where it is collected. Returns false if there is none, or if the rest
   * must be read as usual.
   */
  #readCollected(connection: Connection): boolean {
    const collected = connection.isLink ? this.#links!.collected(connection) : connection.large;
    if (collected === null || connection.keptLength > 0 || connection.readsLittle) return false;
    const { bytes, filled } = collected;
    if (bytes.length - filled < READ_INTO_BYTES_MIN) return false;
    const end = Math.min(bytes.length - LAST_BYTES, filled + READ_INTO_BYTES);
    const count = this.#shard.poller.readInto(connection.slot, bytes, filled, end);
    if (count === NOT_INTO) return false;
    if (count > 0) {
      this.receivedBytes += count;
      collected.filled += count;
    } else if (count !== WOULD_BLOCK) this.#end(connection, count);
    return true;
  }

  /** Closes a connection that has nothing to read any more: the other side has closed, or the read failed. */
  #end(connection: Connection, count: number): void {
    if (count === READ_FAILED && connection.hasFrames) {
      const label = connection.isLink ? this.#links!.labelOf(connection) : connection.label;
      this.#shard.log("error", `${label} - read error: ${this.#shard.poller.lastError()}`);
    }
    this.#shard.close(connection, count === 0 ? CloseReason.ClientClosed : CloseReason.ReadError);
  }

  /** Takes the input from the current position of the receive buffers up to `end`. */
  #take(connection: Connection, end: number): void {
    const { receiveBuffers } = this.#shard;
    const start = receiveBuffers.current;
    receiveBuffers.received(end);
    const rest = connection.isLink
      ? this.#links!.receive(connection, start, end)
      : this.#protocol.receive(connection, start, end);
    this.#kept.keep(connection, rest, end);
    const stalledBy = this.#publishing.takeStalledBy();
    if (stalledBy !== 0) this.#shard.pause(connection, stalledBy);
    // If nothing was taken, the operation is incomplete: the rest of it must be read, however late the turn is.
    const isBegun = rest !== start;
    if (isBegun && rest !== end && this.#shard.outbound.isLate()) this.#postpone(connection);
  }

  #postpone(connection: Connection): void {
    connection.isPostponed = true;
    this.hold(connection);
    this.resume(connection);
  }
}
