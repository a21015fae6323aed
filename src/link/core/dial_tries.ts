const PAUSE_MS = 1000;
const PAUSE_MS_MAX = 30_000;

/**
 * One in this many attempts is logged as an error, besides the first one: before the first connection, and after a
 * connection was lost.
 */
export interface DialReports {
  readonly connectErrorReports: number;
  readonly reconnectErrorReports: number;
}

/** The attempts to reach a server until there is a connection: which ones are reported, and the pauses between them. */
export class DialTries {
  count = 0;
  /** False after a connection was lost. */
  readonly #isFirst: boolean;
  #pauseMs = PAUSE_MS;

  constructor(isFirst: boolean) {
    this.#isFirst = isFirst;
  }

  /** Whether the current attempt is logged as an error. Source: nats-server `shouldReportConnectErr`. */
  isReported({ connectErrorReports, reconnectErrorReports }: DialReports): boolean {
    const every = this.#isFirst ? connectErrorReports : reconnectErrorReports;
    return this.count === 1 || this.count % every === 0;
  }

  /** The pause after the current attempt; with `isBackingOff` the next pause is twice as long, 30 s at most. */
  pauseMs(isBackingOff: boolean): number {
    const pauseMs = this.#pauseMs;
    if (isBackingOff) this.#pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX);
    return pauseMs;
  }
}
