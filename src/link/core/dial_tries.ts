const PAUSE_MS = 1000;
const PAUSE_MS_MAX = 30_000;

/** Of so many tries one is in the log as an error, beside the first: before the first connection, and after one was lost. */
export interface DialReports {
  readonly connectErrorReports: number;
  readonly reconnectErrorReports: number;
}

/** The tries to reach a server until there is a connection: what is said of them, and the pauses between them. */
export class DialTries {
  count = 0;
  /** Not after a connection was lost. */
  readonly #isFirst: boolean;
  #pauseMs = PAUSE_MS;

  constructor(isFirst: boolean) {
    this.#isFirst = isFirst;
  }

  /** Whether the try at hand is worth an error in the log. Source: nats-server `shouldReportConnectErr`. */
  isReported({ connectErrorReports, reconnectErrorReports }: DialReports): boolean {
    const every = this.#isFirst ? connectErrorReports : reconnectErrorReports;
    return this.count === 1 || this.count % every === 0;
  }

  /** How long to wait after the try at hand; with `isBackingOff` the next pause is twice as long, 30 s at most. */
  pauseMs(isBackingOff: boolean): number {
    const pauseMs = this.#pauseMs;
    if (isBackingOff) this.#pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX);
    return pauseMs;
  }
}
