import type { LinkConnection } from "./link.ts";
import type { CertificateVerdict } from "./link_certificate.ts";

/** What a server says that connects; byte strings. */
export interface ServerLogin {
  readonly user: string;
  readonly password: string;
}

export interface ServerVerdict {
  readonly isAuthorized: boolean;
  /** Null where there is nothing to say. */
  readonly log: CertificateVerdict["log"] | null;
}

/**
 * Judges another server, by its certificate where that decides. `answer` is called once, now or later, unless the connection is
 * lost. Until then nothing that the peer sends is taken, save from one that is in and judged again.
 */
export type JudgeServer = (
  connection: LinkConnection,
  login: ServerLogin,
  isAgain: boolean,
  answer: (verdict: ServerVerdict) => void,
) => void;
