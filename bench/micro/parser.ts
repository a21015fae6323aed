/** What the cold parser costs per operation. It reads everything that the engine leaves to TypeScript. */
import { bench, run, summary } from "mitata";
import { ClientParser, NEED_MORE } from "../../src/protocol/client_parser.ts";
import { DEFAULT_CONNECT_OPTIONS, parseConnectOptions } from "../../src/protocol/connect_options.ts";

const encoder = new TextEncoder();
const REPEATS = 100;

/** A function that parses a stream of the same operation. */
function parsing(operation: string): () => number {
  const bytes = encoder.encode(operation.repeat(REPEATS));
  const parser = new ClientParser();
  parser.headersAllowed = true;
  return () => {
    let at = 0;
    let count = 0;
    while (at < bytes.length) {
      if (parser.parse(bytes, at, bytes.length) <= NEED_MORE) throw new Error("the stream must parse");
      at = parser.next;
      count++;
    }
    return count;
  };
}

const CONNECT = encoder.encode(
  '{"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"protocol":1,"lang":"c","version":"3","name":"bench"}',
);

summary(() => {
  for (const [name, operation] of [
    ["PUB, 16 B", "PUB foo.bar 16\r\n0123456789abcdef\r\n"],
    ["HPUB, 16 B", "HPUB foo.bar 12 28\r\nNATS/1.0\r\n\r\n0123456789abcdef\r\n"],
    ["SUB", "SUB _INBOX.22characters.0001 17\r\n"],
    ["UNSUB", "UNSUB 17 1\r\n"],
    ["PING", "PING\r\n"],
  ] as const) {
    bench(`${name}, ${REPEATS} times`, parsing(operation));
  }
  bench("CONNECT document", () => parseConnectOptions(CONNECT, 0, CONNECT.length, DEFAULT_CONNECT_OPTIONS));
});

await run();
