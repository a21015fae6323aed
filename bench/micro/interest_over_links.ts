/**
 * What each of many subscriptions costs the links shard: CPU time and memory of each step between its bytes and a peer.
 */
import process from "node:process";
import { InterestLedger } from "../../src/link/core/ledger.ts";
import { parseOperation } from "../../src/link/core/operation_parser.ts";
import { testLink } from "../../src/link/core/testing/test_link.ts";
import { bytesOf } from "../../src/subject/byte_string.ts";

const COUNTS = [100_000, 1_000_000];
const WARM_COUNT = 20_000;

const RULES = {
  kind: "route",
  controlLineBytesMax: 65536,
  payloadBytesMax: null,
  unsubscribeHasOrigin: true,
  firstLetters: "",
} as const;

function subjectOf(index: number): string {
  return `device.${Math.floor(index / 1000)}.sensor.${index % 1000}`;
}

/** Each step takes a number of subscriptions and returns what it keeps of them. */
const steps: Readonly<Record<string, (count: number) => unknown>> = {
  "parse RS+": (count) => {
    const line = bytesOf("RS+ $G device.12.sensor.345\r\n");
    for (let i = 0; i < count; i++) parseOperation(line, 0, line.length, RULES);
    return null;
  },
  "tell two links of what is wanted here": (count) => {
    const ledger = new InterestLedger();
    for (const kind of ["route", "gateway"] as const)
      ledger.attach(quietLink(kind, kind === "route" ? "both" : "inbound"));
    for (let i = 0; i < count; i++) ledger.setLocal("own", keyOf(i), 1);
    return ledger;
  },
  "what a route wants, told to nobody": (count) => {
    const ledger = new InterestLedger();
    const route = quietLink("route", "both");
    ledger.attach(route);
    for (let i = 0; i < count; i++) ledger.setRemote(route, keyOf(i), 1);
    return ledger;
  },
};

function keyOf(index: number) {
  return { account: "$G", subject: subjectOf(index), queue: "", origin: "" };
}

function quietLink(kind: "route" | "gateway", role: "both" | "inbound") {
  return Object.assign(testLink({ kind, role }), { announce: () => {} });
}

function collect(): void {
  if (typeof Bun !== "undefined") Bun.gc(true);
}

for (const [name, run] of Object.entries(steps)) {
  run(WARM_COUNT);
  for (const count of COUNTS) {
    collect();
    const bytesBefore = process.memoryUsage().heapUsed;
    const before = process.cpuUsage();
    const kept = run(count);
    const { user, system } = process.cpuUsage(before);
    collect();
    const bytes = process.memoryUsage().heapUsed - bytesBefore;
    const each = kept === null ? "" : `, ${(bytes / count).toFixed(0)} B`;
    console.log(
      `${name}, ${count.toLocaleString("en")}: ${(((user + system) * 1000) / count).toFixed(0)} ns${each} each`,
    );
  }
}
