import { describe, expect, test } from "bun:test";
import { withRemoteAccount } from "./request_account.ts";

function content(header: string) {
  const block = `NATS/1.0\r\nA: b\r\n${header}\r\n`;
  return { bytes: new TextEncoder().encode(`${block}payload`), headerBytes: block.length };
}

const remoteAccountOf = (account: string) => (account === "ACC" ? "HUB" : undefined);

describe("withRemoteAccount()", () => {
  test("puts the hub's name for the account, and leaves the rest", () => {
    const changed = withRemoteAccount(
      content('Nats-Request-Info: {"acc":"ACC","rtt":3,"svc":"<x>"}\r\n'),
      remoteAccountOf,
    );
    expect(new TextDecoder().decode(changed.bytes)).toBe(
      'NATS/1.0\r\nA: b\r\nNats-Request-Info: {"acc":"HUB","rtt":3,"svc":"\\u003cx\\u003e"}\r\n\r\npayload',
    );
    expect(changed.bytes.length - changed.headerBytes).toBe("payload".length);
  });

  test("leaves messages without the header, of other accounts, or with what is no JSON", () => {
    for (const header of [
      "",
      'Nats-Request-Info: {"acc":"OTHER"}\r\n',
      'Nats-Request-Info: {"rtt":3}\r\n',
      "Nats-Request-Info: nonsense\r\n",
      'Nats-Request-Info: ["acc"]\r\n',
    ]) {
      const before = content(header);
      expect(withRemoteAccount(before, remoteAccountOf)).toBe(before);
    }
    const plain = { bytes: new TextEncoder().encode("x"), headerBytes: 0 };
    expect(withRemoteAccount(plain, remoteAccountOf)).toBe(plain);
  });
});
