import { describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { hangUp, PortStream } from "./port_stream.ts";

function pair(): [PortStream, PortStream] {
  const { port1, port2 } = new MessageChannel();
  return [new PortStream(port1), new PortStream(port2)];
}

async function textOf(stream: PortStream): Promise<string> {
  const chunks: Uint8Array[] = [];
  stream.on("data", (chunk: Uint8Array) => chunks.push(chunk));
  await once(stream, "end");
  return Buffer.concat(chunks).toString();
}

describe("PortStream", () => {
  test("what is written on one end is read on the other, in order, and so is the end", async () => {
    const [near, far] = pair();
    const words = Array.from({ length: 500 }, (_, i) => `${i}`.padEnd(1000, "."));
    for (const word of words) near.write(word);
    near.end();
    expect((await textOf(far)) === words.join("")).toBe(true);
    far.end("answer");
    expect(await textOf(near)).toBe("answer");
  });

  test("who writes waits for who does not read", async () => {
    const [near, far] = pair();
    const chunk = Buffer.alloc(64 * 1024);
    let written = 0;
    for (let i = 0; i < 64; i++) near.write(chunk, () => written++);
    await once(far, "readable");
    await new Promise((resolve) => setTimeout(resolve, 20));
    // It is as much as the reader keeps, and what was under way then.
    expect(written).toBeLessThan(64);
    far.resume();
    near.end();
    await once(far, "end");
    expect(written).toBe(64);
  });

  test("destroying one end destroys the other", async () => {
    const [near, far] = pair();
    near.destroy();
    await once(far, "close");
    const { port1, port2 } = new MessageChannel();
    const lone = new PortStream(port2);
    hangUp(port1);
    await once(lone, "close");
  });
});
