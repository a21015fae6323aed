import { describe, expect, test } from "bun:test";
import { byteStringOf, bytesOf } from "../../subject/byte_string.ts";
import type { LinkPeer } from "../core/link.ts";
import { Receiving, type ReceivingLink } from "./receiving.ts";
import { linkConnection } from "./testing/link_connection.ts";

const START = 64;

/** A link in its handshake, which switches to S2 with an operation of this kind. */
function open(turnsWith: string) {
  const bytes = new Uint8Array(4096);
  const shard = {
    node: 0,
    shared: { bytes, words: new Int32Array(1024), map: { area: () => ({ area: 0 }) } },
    outbound: { isLate: () => false },
  };
  const taken: string[] = [];
  const returned: string[] = [];
  const link: ReceivingLink = {
    connection: linkConnection(),
    peer: {
      rules: {
        kind: "leaf",
        controlLineBytesMax: 1024,
        payloadBytesMax: null,
        unsubscribeHasOrigin: false,
        firstLetters: "",
      },
      take: ({ kind }) => {
        taken.push(kind);
        if (kind === turnsWith) link.hasTurned = true;
      },
    } as Partial<LinkPeer> as LinkPeer,
    isRegistered: false,
    filesPlain: false,
    collected: null,
    hasTurned: false,
    returnRest: (start, end) => {
      link.hasTurned = false;
      returned.push(byteStringOf(bytes, start, end));
    },
    note() {},
    filePlain: () => 0,
  };
  const receiving = new Receiving(
    shard as unknown as ConstructorParameters<typeof Receiving>[0],
    {} as ConstructorParameters<typeof Receiving>[1],
  );
  const receive = (text: string) => {
    bytes.set(bytesOf(text), START);
    return receiving.receive(link, START, START + text.length) - START;
  };
  return { link, receive, taken, returned };
}

describe("Receiving of a link that turns to S2", () => {
  test("gives back what came behind the operation that it turned with", () => {
    const { receive, taken, returned } = open("info");
    expect(receive("PING\r\nINFO {}\r\n\xff\x06\x00\x00S2sTwO")).toBe(25);
    expect([taken, returned]).toEqual([["ping", "info"], ["\xff\x06\x00\x00S2sTwO"]]);
    receive("PING\r\nPONG\r\n");
    expect([taken.length, returned.length]).toEqual([4, 1]);
  });

  test("takes all of a read, if it turned before that", () => {
    const { link, receive, taken, returned } = open("");
    link.hasTurned = true;
    receive("PING\r\nINFO {}\r\nPONG\r\n");
    expect([taken, returned, link.hasTurned]).toEqual([["ping", "info", "pong"], [], false]);
  });
});
