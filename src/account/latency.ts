import { type EpochMs, encodeGoJson, formatTime, omitEmpty } from "../protocol/go_json.ts";
import { type ClientInfo, clientInfoMembers, readClientInfo } from "./client_info.ts";
import type { TraceHeaders } from "./latency_sampling.ts";

const NS_PER_MS = 1e6;

/**
 * How long a request of a service took, and where. Durations in whole nanoseconds.
 * Source: nats-server ServiceLatency.
 */
export interface LatencySample {
  readonly status: number;
  readonly description?: string;
  readonly requestor?: ClientInfo;
  readonly responder?: ClientInfo;
  readonly header?: TraceHeaders;
  /** When the requestor sent it, as far as its round trip tells. */
  readonly startedAtMs: EpochMs;
  readonly serviceNs: number;
  readonly systemNs: number;
  readonly totalNs: number;
}

/** Why a request has no answer. */
export type LatencyFailure =
  /** It had no reply subject. */
  | "bad request"
  /** The requestor was gone before the answer came. */
  | "request timeout"
  /** Nobody received the request, or the answer could not be delivered. */
  | "service unavailable"
  /** The response threshold passed. */
  | "service timeout";

const FAILURES: Readonly<Record<LatencyFailure, readonly [status: number, description: string]>> = {
  "bad request": [400, "Bad Request"],
  "request timeout": [408, "Request Timeout"],
  "service unavailable": [503, "Service Unavailable"],
  "service timeout": [504, "Service Timeout"],
};

/** A request that is measured. */
export interface MeasuredRequest {
  /** What the import that it came by lets be known of who asked (`disclosed`); absent where that is the server itself. */
  readonly requestor?: ClientInfo;
  /** When the server had it. */
  readonly receivedAtMs: number;
  readonly header?: TraceHeaders;
}

/** What is published of a request that has no answer. */
export function failedSample(request: MeasuredRequest, failure: LatencyFailure): LatencySample {
  const [status, description] = FAILURES[failure];
  return { status, description, ...ofRequest(request), serviceNs: 0, systemNs: 0, totalNs: 0 };
}

/**
 * What is known of an answered request on the requestor's server. `responder` is absent if it is on another one, which
 * then sends its part (`respondedSample`) to be put in (`withResponder`). `sentAtMs` is after the measuring.
 *
 * Source: nats-server sendTrackingLatency.
 */
export function answeredSample(
  request: MeasuredRequest,
  responder: ClientInfo | undefined,
  answeredAtMs: number,
  sentAtMs: number,
): LatencySample {
  const tookNs = nanoseconds(answeredAtMs - request.receivedAtMs);
  const responderRttNs = responder?.rttNs ?? 0;
  const systemNs = responderRttNs > 0 ? Math.max(nanoseconds(sentAtMs - answeredAtMs), 0) : 0;
  return {
    status: 200,
    ...ofRequest(request),
    ...(responder === undefined ? {} : { responder }),
    serviceNs: Math.max(tookNs - responderRttNs, 0),
    systemNs,
    totalNs: (request.requestor?.rttNs ?? 0) + tookNs + systemNs,
  };
}

/** The responder's part, on its server: from when that one delivered the request to when it had the answer. */
export function respondedSample(
  responder: ClientInfo,
  deliveredAtMs: number,
  answeredAtMs: number,
): LatencySample {
  const rttNs = responder.rttNs ?? 0;
  const serviceNs = nanoseconds(answeredAtMs - deliveredAtMs) - rttNs;
  return {
    status: 200,
    responder,
    startedAtMs: deliveredAtMs,
    serviceNs: Math.max(serviceNs, 0),
    systemNs: 0,
    totalNs: serviceNs + rttNs,
  };
}

/** Both parts together: the service and who answered from the responder's side, the rest is the system's. */
export function withResponder(sample: LatencySample, remote: LatencySample): LatencySample {
  const { responder, serviceNs } = remote;
  return {
    ...sample,
    ...(responder === undefined ? {} : { responder }),
    serviceNs: Math.max(serviceNs, 0),
    systemNs: Math.max(sample.serviceNs - (serviceNs + (responder?.rttNs ?? 0)), 0),
  };
}

/** The message on the service's latency subject. `id` is a NUID. */
export function encodeLatency(sample: LatencySample, id: string, publishedAtMs: number): string {
  return encodeGoJson(
    sampleMembers(sample, "io.nats.server.metric.v1.service_latency", id, publishedAtMs),
    0,
  );
}

/** The responder's part on its way to the requestor's server. */
export interface RemoteLatency {
  /** The exporting account. */
  readonly account: string;
  /** The reply subject of the request, as the service saw it. */
  readonly requestId: string;
  readonly sample: LatencySample;
}

/** The message of the system account that carries it, on `remoteLatencySubject`. */
export function encodeRemoteLatency({ account, requestId, sample }: RemoteLatency): string {
  return encodeGoJson({ account, req_id: requestId, m2: sampleMembers(sample, "", "", null) }, 0);
}

/** What another server sent on our `remoteLatencySubject`; null for what is no such message. */
export function readRemoteLatency(payload: Uint8Array): RemoteLatency | null {
  const message = parseObject(payload);
  const { account, req_id: requestId, m2 } = message ?? {};
  if (typeof account !== "string" || typeof requestId !== "string" || !isObject(m2)) return null;
  const { responder, service, total, start } = m2;
  const startedAtMs = typeof start === "string" ? Date.parse(start) : Number.NaN;
  if (typeof service !== "number") return null;
  const sample: LatencySample = {
    status: 200,
    startedAtMs: Number.isNaN(startedAtMs) ? null : startedAtMs,
    serviceNs: service,
    systemNs: 0,
    totalNs: typeof total === "number" ? total : service,
    ...(isObject(responder) ? { responder: readClientInfo(responder) } : {}),
  };
  return { account, requestId, sample };
}

type JsonObject = Readonly<Record<string, unknown>>;

function parseObject(payload: Uint8Array): JsonObject | null {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(payload.slice()));
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function sampleMembers(
  sample: LatencySample,
  type: string,
  id: string,
  publishedAtMs: EpochMs,
): Readonly<Record<string, unknown>> {
  const { requestor, responder, header } = sample;
  return {
    type,
    id,
    timestamp: formatTime(publishedAtMs),
    status: sample.status,
    description: omitEmpty(sample.description),
    requestor: requestor && clientInfoMembers(requestor),
    responder: responder && clientInfoMembers(responder),
    header,
    start: formatTime(sample.startedAtMs),
    service: sample.serviceNs,
    system: sample.systemNs,
    total: sample.totalNs,
  };
}

function ofRequest({ requestor, receivedAtMs, header }: MeasuredRequest) {
  const startedAtMs = receivedAtMs - (requestor?.rttNs ?? 0) / NS_PER_MS;
  return {
    startedAtMs,
    ...(requestor === undefined ? {} : { requestor }),
    ...(header === undefined ? {} : { header }),
  };
}

function nanoseconds(ms: number): number {
  return Math.round(ms * NS_PER_MS);
}
