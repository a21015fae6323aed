import { describe, expect, test } from "bun:test";
import { MessageTrace } from "../../protocol/tracing/message_trace.ts";
import { byteStringOf, bytesOf } from "../../subject/byte_string.ts";
import type { LinkMessage } from "./link.ts";
import { testLink } from "./testing/test_link.ts";
import { cross, tellOfDenied } from "./traced_crossing.ts";

const BLOCK = "NATS/1.0\r\nNats-Trace-Dest: t\r\nNats-Trace-Hop: 4\r\n\r\n";

function traced(isOnly = false) {
  const trace = new MessageTrace({ account: "$G", isOnly, hop: "4" }, 3, 1, () => 0);
  const content = { bytes: bytesOf(`${BLOCK}hi`) as Uint8Array<ArrayBuffer>, headerBytes: BLOCK.length };
  const message: LinkMessage = { account: "$G", origin: "", subject: "a", reply: "", content, trace };
  return { trace, message };
}

const told = ({ entries }: MessageTrace) =>
  entries.map(({ kind, name, hop, error }) => [kind, name, hop, error].filter((word) => word !== undefined));

describe("cross()", () => {
  test("says which way a traced message takes, and tells of it", () => {
    const { trace, message } = traced();
    const links = [
      testLink({ kind: "route", role: "both", serverName: "B" }),
      testLink({ kind: "leaf", role: "spoke", serverName: "L" }),
    ];
    for (const link of links) cross(link, message, ["q"]);
    for (const [i, link] of links.entries()) {
      const { message: sent, queues } = link.sent[0]!;
      expect(queues).toEqual(["q"]);
      expect(byteStringOf(sent.content.bytes)).toBe(
        `NATS/1.0\r\nNats-Trace-Dest: t\r\nNats-Trace-Hop: 4.${i + 1}\r\n\r\nhi`,
      );
    }
    expect(told(trace)).toEqual([
      [1, "B", "4.1"],
      [4, "L", "4.2"],
    ]);
  });

  test("sends nothing that is only to be traced to who knows of no traces", () => {
    const old = testLink({ kind: "gateway", role: "outbound", serverName: "O", tracesMessages: false });
    const only = traced(true);
    cross(old, only.message, []);
    expect(old.sent).toEqual([]);
    expect(told(only.trace)).toEqual([
      [2, "O", "4.1", "Not delivered because remote does not support message tracing"],
    ]);
    const both = traced();
    cross(old, both.message, []);
    expect(old.sent.length).toBe(1);
    expect(told(both.trace)[0]![3]).toMatch(/^Message delivered but remote does not support/);
  });

  test("tells of no way that was not taken", () => {
    const { trace, message } = traced();
    cross(testLink({ kind: "gateway", role: "outbound", sendMessage: () => false }), message, []);
    expect([trace.entries, trace.hops]).toEqual([[], 0]);
  });

  test("leaves other messages as they are", () => {
    const { message } = traced();
    const { trace: _, ...plain } = message;
    const link = testLink({ kind: "route", role: "both" });
    cross(link, plain, []);
    expect(link.sent[0]!.message).toBe(plain);
  });
});

test("tellOfDenied() says which list it was", () => {
  const { trace } = traced();
  tellOfDenied(testLink({ kind: "leaf", role: "spoke", isDenied: () => true }), "a", trace);
  tellOfDenied(testLink({ kind: "leaf", role: "hub" }), "a", trace);
  expect(told(trace).map((entry) => entry.slice(1))).toEqual([
    ["4.1", "Not delivered because subscription denies this subject"],
    ["4.2", "Not delivered because publish denied for this subject"],
  ]);
});
