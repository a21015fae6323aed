import type { LinkConnection } from "./link.ts";
import type { CertificateVerdict } from "./link_certificate.ts";

/** The login of a server that connects; byte strings. */
export interface ServerLogin {
  readonly user: string;
  readonly password: string;
}

export interface ServerVerdict {
  readonly isAuthorized: boolean;
  /** Null if there is nothing to log. */
  readonly log: CertificateVerdict["log"] | null;
}

/**
 * Judges another server, by its certificate if that decides. `answer` is called once, now or later, unless the
 * connection is lost. Until then nothing that the peer sends is taken, except from a peer that is in already and is
 * judged again (`isAgain`).
 */
export type JudgeServer = (
  connection: LinkConnection,
  login: ServerLogin,
  isAgain: boolean,
  answer: (verdict: ServerVerdict) => void,
) => void;
