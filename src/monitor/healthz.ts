import type { HealthSnapshot } from "./snapshots/server.ts";

/** The JetStream switches of a request are not here: without JetStream they change nothing. */
export interface HealthzOptions {
  readonly account: string;
  readonly stream: string;
  readonly consumer: string;
  readonly hasDetails: boolean;
}

const HEALTHZ_DEFAULTS: HealthzOptions = { account: "", stream: "", consumer: "", hasDetails: false };

export interface Healthz {
  readonly status: "ok" | "error";
  /** The HTTP status. The $SYS service puts it into the report. */
  readonly statusCode: 200 | 400 | 500;
  /** Why it is not healthy, empty if it is. */
  readonly error: string;
  readonly errorType: "CONNECTION" | "BAD_REQUEST";
}

/** Whether this server serves. Source: nats-server `healthz`, `readyForConnections`. */
export function healthz(health: HealthSnapshot, options: Partial<HealthzOptions> = {}): Healthz {
  const { account, stream, consumer } = { ...HEALTHZ_DEFAULTS, ...options };
  if (account === "" && stream !== "") {
    return badRequest('"account" must not be empty when checking stream health');
  }
  if (stream === "" && consumer !== "") {
    return badRequest('"stream" must not be empty when checking consumer health');
  }
  if (health.listenersNotReady.length > 0) {
    const error = `failed to be ready for connections after 1ms: ${health.listenersNotReady.join(", ")}`;
    return { status: "error", statusCode: 500, error, errorType: "CONNECTION" };
  }
  return { status: "ok", statusCode: 200, error: "", errorType: "CONNECTION" };
}

function badRequest(error: string): Healthz {
  return { status: "error", statusCode: 400, error, errorType: "BAD_REQUEST" };
}

export type HealthzReport = ReturnType<typeof healthzReport>;

/** The report as JSON; with details an error becomes an entry of a list. */
export function healthzReport(health: Healthz, hasDetails: boolean, showsStatusCode: boolean) {
  const { status, error, errorType } = health;
  const isListed = hasDetails && error !== "";
  return {
    status,
    status_code: showsStatusCode ? health.statusCode : undefined,
    error: isListed || error === "" ? undefined : error,
    errors: isListed ? [{ type: errorType, error }] : undefined,
  };
}
