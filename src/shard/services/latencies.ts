/**
 * Measures how long services take to answer, and publishes that in the accounts that export them. If the responder is
 * on another server, that server measures a part of it and tells: the part that comes first waits for the other one.
 */
import type { AppliedServiceImport } from "../../account/applied_imports.ts";
import type { ClientInfo } from "../../account/client_info.ts";
import {
  answeredSample,
  encodeLatency,
  failedSample,
  type LatencyFailure,
  type LatencySample,
  withResponder,
} from "../../account/latency.ts";
import { sampleRequest } from "../../account/latency_sampling.ts";
import { newNuid } from "../../base/nuid.ts";
import { HeldMessage, messageBytes } from "../../fabric/held_message.ts";
import { readMimeHeaders } from "../../protocol/mime_headers.ts";
import { byteStringOfText, bytesOf } from "../../subject/byte_string.ts";
import { randomBelow, type ShardAccount } from "../accounts.ts";
import type { ShardContext } from "../context.ts";
import type { Measurement, PendingRequest } from "./pending_requests.ts";

/** How long the responder's server may take to tell its part. */
const HALF_MS_MAX = 10_000;

/** An answered request whose responder's server has not told its part yet. */
interface HalfMeasured {
  readonly measurement: Measurement;
  readonly sample: LatencySample;
  readonly deadlineMs: number;
}

export class Latencies {
  readonly #shard: Pick<ShardContext, "nowMs" | "wallMs">;
  readonly #deliver: (message: HeldMessage) => number;
  /** Requests that wait for their other part, by token. */
  readonly #halves = new Map<string, HalfMeasured>();

  constructor(shard: Pick<ShardContext, "nowMs" | "wallMs">, deliver: (message: HeldMessage) => number) {
    this.#shard = shard;
    this.#deliver = deliver;
  }

  /** Number of requests that wait for their other part. */
  get size(): number {
    return this.#halves.size;
  }

  /** Begins to measure a request. Returns null if its latency is not measured. `findRequestor` says who asks. */
  measure(
    { definition: { latency } }: AppliedServiceImport,
    exporter: ShardAccount,
    { bytes, headerLength }: HeldMessage,
    findRequestor: () => ClientInfo | undefined,
  ): Measurement | null {
    if (latency === undefined) return null;
    const readHeaders = () => (headerLength > 0 ? readMimeHeaders(bytes, 0, headerLength) : null);
    const { isSampled, header } = sampleRequest(latency, readHeaders, randomBelow);
    if (!isSampled) return null;
    const receivedAtMs = this.#shard.wallMs();
    const requestor = findRequestor();
    const request = {
      receivedAtMs,
      ...(requestor === undefined ? {} : { requestor }),
      ...(header === undefined ? {} : { header }),
    };
    return { request, latency, exporter: exporter.id };
  }

  /** Publishes that a request gets no answer. */
  fail(measurement: Measurement | null, failure: LatencyFailure): void {
    if (measurement !== null) this.#publish(measurement, failedSample(measurement.request, failure));
  }

  /** A request was answered. `findWho` says by whom; undefined if this server does not know. */
  answered(
    { token, measurement, remote }: PendingRequest,
    findWho: (() => ClientInfo) | undefined,
    answeredAtMs: number,
  ): void {
    if (measurement === null) return;
    const who = findWho?.();
    const sample = answeredSample(measurement.request, who, answeredAtMs, this.#shard.wallMs());
    if (who !== undefined) this.#publish(measurement, sample);
    else if (remote !== null) this.#publish(measurement, withResponder(sample, remote));
    else this.#halves.set(token, { measurement, sample, deadlineMs: this.#shard.nowMs + HALF_MS_MAX });
  }

  /** Takes the part that the responder's server has measured. Returns false if no answered request waits for it. */
  complete(token: string, remote: LatencySample): boolean {
    const half = this.#halves.get(token);
    if (half === undefined) return false;
    this.#halves.delete(token);
    this.#publish(half.measurement, withResponder(half.sample, remote));
    return true;
  }

  /** Forgets requests whose other part has not come in time. */
  expire(): void {
    const { nowMs } = this.#shard;
    for (const [token, { deadlineMs }] of this.#halves) if (deadlineMs <= nowMs) this.#halves.delete(token);
  }

  /** Publishes a latency in the account that exports the service. */
  #publish({ latency, exporter }: Measurement, sample: LatencySample): void {
    const json = new TextEncoder().encode(encodeLatency(sample, newNuid(), this.#shard.wallMs()));
    const subject = bytesOf(byteStringOfText(latency.subject));
    this.#deliver(HeldMessage.fromServer(exporter, subject, messageBytes(json)));
  }
}
