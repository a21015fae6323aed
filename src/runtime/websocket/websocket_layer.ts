/** WebSocket framing as a shard sees it. */
import type { FrameTerms } from "../../protocol/websocket/extensions.ts";
import type { Unmask } from "../../protocol/websocket/mask.ts";

/** Which end of a WebSocket this is. The client is the side that asked for it; it masks its frames. */
export type FrameSide = "server" | "client";

/** The framing of a poller, which can be put on its streams. Afterwards, reads and writes are of payloads. */
export interface WebSocketLayer {
  /** The largest that a message may be when inflated, bytes: `max_payload`. */
  messageBytesMax: number;
  /** From now on, `unmask` undoes masks in the memory. Until then a slower way is used. */
  useUnmask(unmask: Unmask): void;
  /**
   * Starts framing, when the handshake is over and its answer written: frames follow in both directions. `behind` is
   * what was read of them together with the handshake.
   */
  startFrames(slot: number, terms: FrameTerms, side: FrameSide, behind?: Uint8Array): void;
  /**
   * Says goodbye before the stream is closed, with what the peer's own frames call for, or else with this status and
   * text. With status 0, it says only the former. It says nothing in the middle of a frame.
   */
  endFrames(slot: number, status: number, text: string): void;
}
