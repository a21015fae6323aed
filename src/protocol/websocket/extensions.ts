/** The headers by which two sides agree on compression and masks. Cold. */
import { type HeaderLines, headerList } from "./http_head.ts";

const DEFLATE = "permessage-deflate";
const SERVER_PARAMETER = "server_no_context_takeover";
const CLIENT_PARAMETER = "client_no_context_takeover";
/** Messages are compressed one by one, both ways. */
export const DEFLATE_EXTENSION = `${DEFLATE}; ${SERVER_PARAMETER}; ${CLIENT_PARAMETER}`;
/** A header of NATS's own: a client asks to leave out the masks of its frames, and the server agrees. */
export const NO_MASKING_HEADER = "Nats-No-Masking";
export const NO_MASKING_VALUE = "true";

/** How the frames of a connection look, as its handshake said. */
export interface FrameTerms {
  /** The client's frames must have a mask. */
  readonly isMasked: boolean;
  readonly isCompressed: boolean;
  /** Frames to a browser are kept small; 0 for as they come. Of compressed messages: */
  readonly frameBytesMax: number;
  readonly compressedFrameBytesMax: number;
}

/** What the other side says of compression: nothing, that neither side keeps its context, or something else. */
export function compressionIn(headers: HeaderLines): "none" | "per message" | "other" {
  for (const extension of headerList(headers, "sec-websocket-extensions")) {
    const words = extension.split(";").map((word) => word.trim().toLowerCase());
    if (!words.includes(DEFLATE)) continue;
    return words.includes(SERVER_PARAMETER) && words.includes(CLIENT_PARAMETER) ? "per message" : "other";
  }
  return "none";
}
