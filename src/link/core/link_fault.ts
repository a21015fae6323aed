import type { CloseReason } from "../../protocol/close_reason.ts";

/** Something after which a link cannot go on. */
export interface LinkFault {
  /** As nats-server logs it, as an error; "" where it logs nothing. */
  readonly logText: string;
  /** What stands between the quotes of `-ERR '…'`; null where the peer is told nothing. */
  readonly wireText: string | null;
  readonly closeReason: CloseReason;
  /** The log says it once a second of all whom it concerns, as nats-server does. */
  readonly isLimited?: boolean;
}

/** The line that tells a peer what is wrong with it; `wireText` is a byte string. */
export function errorLine(wireText: string): string {
  return `-ERR '${wireText}'\r\n`;
}
