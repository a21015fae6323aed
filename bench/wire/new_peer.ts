/** How long a server with many subscriptions takes to tell a new peer about them, and what that costs both servers. */
import { strict as assert } from "node:assert";
import { Probe } from "./probe.ts";
import { cpuBetween, machineCpuNs } from "./process_usage.ts";
import { awaitCrossings, type ServerPair } from "./topologies.ts";

const SUBSCRIBED_AT_ONCE = 10_000;

export interface NewPeer {
  /** From when the peer is told whom to dial until it knows the last subscription. */
  readonly seconds: number;
  readonly userNs: number;
  readonly systemNs: number;
  /** CPU time of the whole machine in that time. */
  readonly machineNs: number;
  /** How much memory both servers have gained. */
  readonly bytes: number;
}

/**
 * Makes subscriptions on one of two servers that are not linked, links them, and checks that all are known afterwards.
 */
export async function measureNewPeer(pair: ServerPair, subscriptionCount: number): Promise<NewPeer> {
  const subscriber = await Probe.connect(pair.subscriberPort);
  try {
    const subjects = Array.from({ length: subscriptionCount }, (_, index) => subjectOf(index));
    for (let at = 0; at < subjects.length; at += SUBSCRIBED_AT_ONCE) {
      const some = subjects.slice(at, at + SUBSCRIBED_AT_ONCE);
      await subscriber.ask(some.map((subject, index) => `SUB ${subject} ${at + index + 1}\r\n`).join(""));
    }
    // The probes shall not be the first clients that the servers pass messages between.
    for (const port of [pair.port, pair.subscriberPort]) await awaitCrossings(port, port, null);
    const before = pair.usage();
    const machineBeforeNs = machineCpuNs();
    const startedMs = performance.now();
    pair.link();
    await pair.awaitInterest(); // its probe may have come before the link, and may be told among the others
    await pair.awaitInterest(); // its probe is told after them
    const seconds = (performance.now() - startedMs) / 1000;
    const after = pair.usage();
    const machineNs = machineCpuNs() - machineBeforeNs;
    await checkAll(pair.port, subscriber, subjects);
    const bytes = after.residentBytes - before.residentBytes;
    return { seconds, ...cpuBetween(before, after), machineNs, bytes };
  } finally {
    subscriber.close();
  }
}

function subjectOf(index: number): string {
  const [device, sensor] = [Math.floor(index / 1000), index % 1000];
  return `device.${device}.sensor.${sensor}`;
}

/** Checks that what is published on the peer arrives, once each. */
async function checkAll(port: number, subscriber: Probe, subjects: readonly string[]): Promise<void> {
  const publisher = await Probe.connect(port);
  try {
    await publisher.ask(subjects.map((subject) => `PUB ${subject} 0\r\n\r\n`).join(""));
    const end = subjects.length + 1;
    await subscriber.ask(`SUB bench.end ${end}\r\n`);
    await subscriber.until(
      () => subscriber.received.includes(` ${end} 0\r\n\r\n`),
      () => publisher.send("PUB bench.end 0\r\n\r\n"),
      1,
    );
    const arrived = [...subscriber.received.matchAll(/^MSG (device\S+) /gm)].map(([, subject]) => subject!);
    assert.equal(arrived.length, subjects.length, "each subscription gets its message, and none twice");
    assert.equal(new Set(arrived).size, subjects.length, "each subscription gets its own message");
  } finally {
    publisher.close();
  }
}
