/**
 * What monitoring costs messages. Measures a stream through a server with thousands of connections, in turns without
 * pollers and with pollers of every endpoint. How to run and to read it: docs/benchmarks/README.md.
 */

import { findFreePort } from "../../test/support/free_port.ts";
import { compareMedians, measureInTurns, median } from "./in_turns.ts";
import { type LoadResult, runLoad } from "./load_process.ts";
import { cpuBetween, type Usage } from "./process_usage.ts";
import { buildLoad } from "./programs.ts";
import { type ServerProcess, startServer } from "./server_process.ts";
import { nanoseconds } from "./table.ts";
import type { Target } from "./targets.ts";

const usageText = `bun bench/wire/monitoring.ts [flags]
  --targets A,B        (midge-bun,midge-deno,nats-server)
  --connections N      that stay and say nothing (5000)
  --pollers N          (10)
  --interval S         in which each of them asks every endpoint once (1)
  --repetitions N      with and without pollers; the median counts (5)
  --seconds S          measured in each (2)`;

/** What a dashboard asks for, with all options that make an answer long. */
const ENDPOINTS = [
  ...[
    "/varz",
    "/connz?subs=1",
    "/connz?sort=bytes_to",
    "/routez?subs=1",
    "/gatewayz?accs=1",
    "/leafz?subs=1",
  ],
  ...["/subsz?subs=1", "/accountz", "/accstatz?unused=1", "/healthz", "/jsz", "/ipqueuesz"],
];

const IDLE_MS_MAX = 600_000;
const STREAM_MS_MAX = 60_000;

export interface MonitoringOptions {
  readonly connections: number;
  readonly pollers: number;
  readonly intervalSeconds: number;
  readonly repetitions: number;
  readonly seconds: number;
}

/** Figures of a stream. CPU time of the server is per delivery, in ns. */
export interface StreamFigures {
  readonly perSecond: number;
  readonly cpuNs: number;
  /** CPU time of the thread that serves Midge's messages. For a server in Go it means nothing. */
  readonly busiestThreadNs: number;
}

export interface MonitoringFigures {
  readonly alone: readonly StreamFigures[];
  readonly polled: readonly StreamFigures[];
  /** How many answers a second there were while polled, and how long one took. */
  readonly answersPerSecond: number;
  readonly answerMs: number;
}

/** Measures one target. Throws if an answer is not 200 or a message is lost. */
export async function measureMonitoring(
  target: Target,
  options: MonitoringOptions,
): Promise<MonitoringFigures> {
  const httpPort = await findFreePort();
  const config = `http: "127.0.0.1:${httpPort}"\n`;
  const server = await startServer(target.command(1), target.env, { config });
  const load = buildLoad(false);
  const idle = ["--kind", "idle", "--connections", `${options.connections}`, "--port", `${server.port}`];
  const figures = { alone: [] as StreamFigures[], polled: [] as StreamFigures[] };
  let [answers, answerMs, polledSeconds] = [0, 0, 0];
  try {
    await runLoad(load, [...idle, "--seconds", "0.01"], IDLE_MS_MAX, async (phase) => {
      if (phase !== "ready") return;
      for (let repetition = 0; repetition < options.repetitions; repetition++) {
        figures.alone.push(await measureStream(server, load, options.seconds));
        const pollers = new Pollers(`http://127.0.0.1:${httpPort}`, options);
        const startMs = performance.now();
        figures.polled.push(await measureStream(server, load, options.seconds));
        polledSeconds += (performance.now() - startMs) / 1000;
        await pollers.stop();
        answers += pollers.answers;
        answerMs += pollers.answerMs;
      }
    });
  } finally {
    await server.end();
  }
  return { ...figures, answersPerSecond: answers / polledSeconds, answerMs: answerMs / answers };
}

/** Measures a stream 1 → 1 with 128 B on one shard. */
async function measureStream(server: ServerProcess, load: string, seconds: number): Promise<StreamFigures> {
  const words = ["--kind", "stream", "--publishers", "1", "--subscribers", "1", "--payload-bytes", "128"];
  const times = ["--seconds", `${seconds}`, "--warm-seconds", `${seconds / 4}`, "--port", `${server.port}`];
  let ready!: Usage;
  let ended!: Usage;
  const result: LoadResult = await runLoad(
    load,
    [...words, ...times, "--between", "1"],
    STREAM_MS_MAX,
    (phase) => {
      if (phase === "ready") ready = server.usage();
      if (phase === "ended") ended = server.usage();
    },
  );
  const { userNs, systemNs } = cpuBetween(ready, ended);
  return {
    perSecond: result.deliveries / result.seconds,
    cpuNs: (userNs + systemNs) / result.deliveries,
    busiestThreadNs: busiestThreadNs(ready, ended) / result.deliveries,
  };
}

/**
 * CPU time of the thread that used most, among those that lived all the time. In Midge it is the one that serves
 * messages.
 */
function busiestThreadNs(before: Usage, after: Usage): number {
  return Math.max(...[...before.threadNs].map(([id, ns]) => (after.threadNs.get(id) ?? ns) - ns));
}

/**
 * Pollers ask every endpoint, one after the other, then rest until the interval is over. They start at different times.
 */
class Pollers {
  answers = 0;
  answerMs = 0;
  readonly #origin: string;
  readonly #intervalMs: number;
  readonly #stopping = new AbortController();
  readonly #all: Promise<unknown>;

  constructor(origin: string, { pollers, intervalSeconds }: MonitoringOptions) {
    this.#origin = origin;
    this.#intervalMs = intervalSeconds * 1000;
    this.#all = Promise.all(
      Array.from({ length: pollers }, (_, index) => this.#poll((this.#intervalMs * index) / pollers)),
    );
    this.#all.catch(() => {}); // stop() says it
  }

  /** Ends the pollers. Throws if something was wrong with an answer. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#all;
  }

  async #poll(delayMs: number): Promise<void> {
    const { signal } = this.#stopping;
    await rest(delayMs, signal);
    while (!signal.aborted) {
      const startMs = performance.now();
      for (const endpoint of ENDPOINTS) {
        if (signal.aborted) return;
        const askedMs = performance.now();
        const response = await fetch(`${this.#origin}${endpoint}`);
        await response.arrayBuffer();
        if (response.status !== 200) throw new Error(`GET ${endpoint}: ${response.status}`);
        this.answers++;
        this.answerMs += performance.now() - askedMs;
      }
      await rest(this.#intervalMs - (performance.now() - startMs), signal);
    }
  }
}

function rest(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, Math.max(0, ms));
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** `alone → polled (difference)` of one figure. */
function compare(
  { alone, polled }: MonitoringFigures,
  of: (one: StreamFigures) => number,
  show: (value: number) => string,
): string {
  return compareMedians(alone.map(of), polled.map(of), show, 1);
}

/**
 * The CPU time of an answer: what is used beyond the messages of the same time. It does not depend on how busy the
 * machine is otherwise, as a share of each second would.
 */
function answerCpuMs(
  { alone, polled, answersPerSecond }: MonitoringFigures,
  of: (one: StreamFigures) => number,
) {
  const aloneNs = median(alone.map(of));
  const extraNsPerSecond = median(polled.map((one) => (of(one) - aloneNs) * one.perSecond));
  return extraNsPerSecond / answersPerSecond / 1e6;
}

if (import.meta.main) {
  await measureInTurns({
    usageText,
    flags: { connections: 5000, pollers: 10, interval: 1, repetitions: 5, seconds: 2 },
    columns: [
      ...["rate", "server CPU each", "of the shard's thread"],
      ...["answers a second", "time of one", "CPU of one", "of the shard's thread"],
    ],
    measure: async (target, { interval, ...flags }) => {
      const figures = await measureMonitoring(target, { ...flags, intervalSeconds: interval });
      const cpuNs = (one: StreamFigures) => one.cpuNs;
      const shardNs = (one: StreamFigures) => one.busiestThreadNs;
      const perSecond = (one: StreamFigures) => one.perSecond;
      const costOf = (of: (one: StreamFigures) => number) => `${answerCpuMs(figures, of).toFixed(2)} ms`;
      const isMidge = target.name.startsWith("midge");
      return [
        compare(figures, perSecond, (value) => `${(value / 1e6).toFixed(2)} M/s`),
        compare(figures, cpuNs, nanoseconds),
        isMidge ? compare(figures, shardNs, nanoseconds) : "-",
        figures.answersPerSecond.toFixed(0),
        `${figures.answerMs.toFixed(1)} ms`,
        costOf(cpuNs),
        isMidge ? costOf(shardNs) : "-",
      ];
    },
  });
}
