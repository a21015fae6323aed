// Plays mutated client sessions against a server while healthy clients exchange checked messages. Exits with 1 if the
// server crashed, hung, broke its framing, lost a message, or kept something.

import process from "node:process";
import { type FuzzReport, runFuzz } from "../test/fuzz/fuzz_run.ts";
import { makeSession } from "../test/fuzz/session.ts";
import { backTo, megabytes, serverState } from "../test/robustness/server_state.ts";
import { runToExit, ServerProcess, serverCommand } from "../test/support/server_process.ts";
import { readFlags, wholeNumberFrom } from "./flags.ts";

const USAGE = `bun scripts/fuzz.ts [flags]
  --server "COMMAND"   any command that takes nats-server's flags (this repository's server)
  --sessions N         how many (100000)
  --seed S             the seed and its number alone determine a session (1)
  --from K             the first one's number (0); --from K --sessions 1 --lanes 1 plays one again
  --lanes L            how many are played at a time (64)
  --show               prints the sessions instead of playing them`;

const LIMITS = { maxPayloadBytes: 256 * 1024, maxControlLineBytes: 4096 };
/**
 * The first quarter of the sessions fills caches and pools. The memory that is resident after it is what the end is
 * compared with.
 */
const WARM_UP_SHARE = 0.25;
/** How much more may be resident after the run, because allocators and collectors keep some of what they got. */
const GROWTH_MAX_BYTES = 96 * 1024 * 1024;
const SETTLE_MS = 10_000;
const BOUND_MS = 10_000;
const PROGRESS_EVERY = 10;

const { values } = readFlags(USAGE, {
  options: {
    server: { type: "string" },
    sessions: { type: "string", default: "100000" },
    seed: { type: "string", default: "1" },
    from: { type: "string", default: "0" },
    lanes: { type: "string", default: "64" },
    show: { type: "boolean", default: false },
  },
});
const seed = wholeNumberFrom("seed", values.seed, 0);
const from = wholeNumberFrom("from", values.from, 0);
const sessions = wholeNumberFrom("sessions", values.sessions, 1);
const lanes = wholeNumberFrom("lanes", values.lanes, 1);
if (values.server !== undefined) process.env.CONFORMANCE_SERVER = values.server;

if (values.show) {
  for (let number = from; number < from + sessions; number++)
    console.log(number, makeSession(seed, number, LIMITS));
  process.exit(0);
}

function summary({ played, survived, refused, unfinished, cut, connections, bytesSent }: FuzzReport): string {
  return (
    `${played} sessions (${survived} survived, ${refused} refused, ${unfinished} left unfinished, ${cut} cut) ` +
    `over ${connections} connections, ${megabytes(bytesSent)} sent`
  );
}

const version = await runToExit({ flags: ["--version"] });
console.log(`server: ${serverCommand().join(" ")} (${(version.stdout || version.stderr).trim()})`);
const server = await ServerProcess.start({ config: "max_payload: 256KB", monitoring: true });
const start = performance.now();
const seconds = () => `${((performance.now() - start) / 1000).toFixed(1)} s`;

async function play(first: number, count: number): Promise<FuzzReport> {
  let ticks = 0;
  return await runFuzz({
    port: server.clientPort,
    seed,
    from: first,
    sessions: count,
    lanes,
    witnesses: 4,
    boundMs: BOUND_MS,
    limits: LIMITS,
    onProgress: (report) => {
      if (++ticks % PROGRESS_EVERY === 0) {
        console.log(`${seconds()}: ${summary(report)}, ${megabytes(server.residentBytes())} resident`);
      }
    },
  });
}

let exitCode = 0;
try {
  const before = await serverState(server);
  console.log(`start: ${megabytes(before.residentBytes)} resident`);
  const warmUp = Math.floor(sessions * WARM_UP_SHARE);
  const reports = warmUp === 0 ? [] : [await play(from, warmUp)];
  await backTo(before, server);
  await new Promise((resolve) => setTimeout(resolve, warmUp === 0 ? 0 : SETTLE_MS));
  const warm = server.residentBytes();
  console.log(`${seconds()}: warm after ${warmUp} sessions: ${megabytes(warm)} resident`);
  reports.push(await play(from + warmUp, sessions - warmUp));
  for (const report of reports) console.log(summary(report));
  const witnessed = reports.reduce((sum, report) => sum + report.witnessed, 0);
  const longest = Math.max(...reports.map(({ longestWitnessMs }) => longestWitnessMs));
  console.log(
    `${seconds()}: witnesses checked ${witnessed} messages, the slowest took ${Math.round(longest)} ms`,
  );
  const peak = server.residentBytes();
  const after = await backTo(before, server);
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const settled = server.residentBytes();
  console.log(
    `connections ${before.connections} → ${after.connections}, subscriptions ${before.subscriptions} → ${after.subscriptions}; ` +
      `resident ${megabytes(before.residentBytes)} at start, ${megabytes(warm)} warm, ${megabytes(peak)} at the end, ` +
      `${megabytes(settled)} settled; processor ${server.processorSeconds().toFixed(1)} s`,
  );
  if (server.hasExited) throw new Error(`the server exited:\n${server.log.slice(-4000)}`);
  if (/Shard \d+ failed|panic:/.test(server.log))
    throw new Error("a thread of the server failed; see its log");
  if (warmUp > 0 && settled - warm > GROWTH_MAX_BYTES) {
    throw new Error(
      `resident memory grew by ${megabytes(settled - warm)}, more than ${megabytes(GROWTH_MAX_BYTES)}`,
    );
  }
  console.log(`passed in ${seconds()}`);
} catch (error) {
  exitCode = 1;
  console.error(`FAILED after ${seconds()}: ${(error as Error).message}`);
  const failures = server.log.split("\n").filter((line) => /fail|panic|fatal|error:/i.test(line));
  console.error(failures.slice(0, 5).concat(failures.slice(-15)).join("\n").slice(0, 6000));
} finally {
  await server.stop();
}
process.exit(exitCode);
