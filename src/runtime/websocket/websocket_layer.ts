/** WebSocket framing as a shard sees it. */
import type { FrameTerms } from "../../protocol/websocket/extensions.ts";
import type { Unmask } from "../../protocol/websocket/mask.ts";

/** Which end of a WebSocket this is: the client is who asked for it, and masks its frames. */
export type FrameSide = "server" | "client";

/** The framing of a poller: puts it on streams that the poller serves. Afterwards reads and writes are of payloads. */
export interface WebSocketLayer {
  /** Largest message that a compressed one may become, bytes: `max_payload`. */
  messageBytesMax: number;
  /** Undoes masks in the memory from now on; before, a slower way does. */
  useUnmask(unmask: Unmask): void;
  /**
   * The handshake is over, and its answer written: what follows on the stream are frames, both ways. `behind` is what was
   * read of them with the answer.
   */
  startFrames(slot: number, terms: FrameTerms, side: FrameSide, behind?: Uint8Array): void;
  /**
   * Says goodbye before the stream is closed, with this status and text, or with what the peer's own frames call for.
   * With status 0 only the latter. Nothing is said in the middle of a frame.
   */
  endFrames(slot: number, status: number, text: string): void;
}
