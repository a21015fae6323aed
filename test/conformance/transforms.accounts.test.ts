import { expect } from "bun:test";
import { Buffer } from "node:buffer";
import { account, login, subscribe } from "../support/account_config.ts";
import { readMessage } from "../support/message.ts";
import type { RawClient } from "../support/raw_client.ts";
import { row, sharedServer } from "../support/row.ts";

/** Destination of a mapping with the wildcards of its source, and what published tokens become. */
interface Transform {
  readonly source: string;
  readonly destination: string;
  /** What follows the row's own first token, before and after. */
  readonly examples: readonly (readonly [published: string, delivered: string])[];
}

const transforms: readonly Transform[] = [
  t("foo.*.bar.*", "req.$2.$1", ["foo.A.bar.B", "req.B.A"]),
  t("*.*", "{{wildcard(2)}}.{{wildcard(1)}}", ["a.b", "b.a"]),
  t("*.*", "{{Wildcard(1)}}.only", ["a.b", "a.only"]),
  t("*.*", "{{ wildcard( 2 ) }}.x", ["a.b", "b.x"]),
  t("*", "$1.$1.$1", ["a", "a.a.a"]),
  t("baz.>", "my.>", ["baz.a.b.c", "my.a.b.c"], ["baz.a", "my.a"]),
  t("*.>", "my.$1.>", ["x.y.z", "my.x.y.z"]),
  t("lit", "other", ["lit", "other"]),
  t("lit", "$x.y", ["lit", "$x.y"]),
  t("*", "a{{b}}.c", ["q", "a{{b}}.c"]),
  t("*", "{{wildcard(1).x", ["q", "{{wildcard(1).x"]),

  t("p.*", "{{partition(3,1)}}", ["p.abc", "2"]),
  t("*", "{{partition(10,1)}}", ["foo", "3"], ["baz", "0"], ["qux", "9"]),
  t("*.*", "{{partition(10,1,2)}}", ["foo.bar", String(partition(10, "foobar"))]),
  t("*.*", "{{partition(10,2,1)}}", ["foo.bar", String(partition(10, "barfoo"))]),
  t("*.*", "{{Partition( 7 , 2 )}}.$1", ["foo.bar", `${partition(7, "bar")}.foo`]),
  t("*", "{{partition(0,1)}}", ["foo", "0"]),
  t("*", "{{partition(1,1)}}", ["foo", "0"]),
  t("*.é", "{{partition(100,1)}}", ["ü.é", String(partition(100, "ü"))]),
  t("lit", "{{partition(10)}}", ["lit", "1"]),
  t("lit.two", "{{partition(10)}}", ["lit.two", "1"]),

  t("*", "{{splitfromleft(1,3)}}", ["12345", "123.45"], ["123", "123"], ["12", "12"]),
  t("*", "{{SplitFromLeft(1,1)}}", ["12345", "1.2345"]),
  t("*", "{{splitfromright(1,3)}}", ["12345", "12.345"], ["123", "123"], ["12", "12"]),
  t("*", "{{SplitFromRight(1,1)}}", ["12345", "1234.5"]),
  t(
    "*",
    "{{slicefromleft(1,3)}}",
    ["1234567890", "123.456.789.0"],
    ["123", "123"],
    ["12", "12"],
    ["123456", "123.456"],
  ),
  t("*", "{{SliceFromLeft(1,1)}}", ["1234", "1.2.3.4"]),
  t(
    "*",
    "{{slicefromright(1,3)}}",
    ["1234567890", "1.234.567.890"],
    ["123", "123"],
    ["12", "12"],
    ["123456", "123.456"],
  ),
  t("*", "{{SliceFromRight(1,2)}}", ["12345", "1.23.45"]),
  t("*", "{{split(1,-)}}", ["-abc-def--ghi-", "abc.def.ghi"], ["abc", "abc"], ["a-b", "a.b"]),
  t("*", "{{Split(1,--)}}", ["a-b--c", "a-b.c"]),
  t("*", "{{left(1,3)}}", ["1234", "123"], ["12", "12"]),
  t("*", "{{Right(1,3)}}", ["1234", "234"], ["12", "12"]),
  t("*.*", "{{left(2,1)}}.{{right(1,1)}}", ["ab.cd", "c.b"]),
  t("*.*", "{{split(1,-)}}.{{slicefromleft(2,2)}}.end", ["a-b.1234", "a.b.12.34.end"]),
  t("*.mid.*", "$2.{{partition(5,1)}}.{{splitfromleft(1,1)}}", ["ab.mid.x", `x.${partition(5, "ab")}.a.b`]),
  t("*", "{{random(0)}}", ["a", "0"]),
  t("lit", "y.{{random(1)}}", ["lit", "y.0"]),

  t("*", "{{splitfromleft(1,0)}}", ["abc", "abc"]),
  t("*", "{{splitfromleft(1,-2)}}", ["abc", "abc"]),
  t("*", "{{splitfromright(1,0)}}", ["abc", "abc"]),
  t("*", "{{slicefromleft(1,0)}}", ["abc", "abc"]),
  t("*", "{{slicefromright(1,-1)}}", ["abc", "abc"]),
  t("*", "{{left(1,0)}}", ["abc", "abc"]),
  t("*", "{{right(1,-1)}}", ["abc", "abc"]),
  t("*.>", "{{splitfromleft(1,2)}}.>", ["abcd.x.y", "ab.cd.x.y"]),
  t("*.>", "x.{{partition(5,1)}}.>", ["abcd.x.y", `x.${partition(5, "abcd")}.x.y`]),
  t("*.>", "{{partition(5)}}.>", ["abcd.x.y", `${partition(5, "abcd.x.y")}.x.y`]),
  t("a.*.c.*.e.*", "$3.$2.$1", ["a.b.c.d.e.f", "f.d.b"]),
  t(">", "x.>", ["a.b", "x.a.b"]),
  t("a.>", "a.>", ["a.b", "a.b"]),
  t("*", "{{partition(3,1,1)}}", ["a", String(partition(3, "aa"))]),
  t("*", "{{partition(2147483647,1)}}", ["a", String(partition(2147483647, "a"))]),

  // Any case of the first letter of each word, blanks and zeros, but nothing else, make a function.
  t("*", "{{splitFromLeft(1,1)}}", ["abc", "a.bc"]),
  t("*", "{{Splitfromleft(1,1)}}", ["abc", "a.bc"]),
  t("*", "{{ Wildcard (01) }}", ["a", "a"]),
  t("*.*", "x$1.$2", ["a.b", "x$1.b"]),
  t("*.*", "pre{{wildcard(1)}}", ["a.b", "pre{{wildcard(1)}}"]),
  t("*", "wildcard(1)}}", ["x", "wildcard(1)}}"]),
  t("*", "y.{{}}", ["x", "y.{{}}"]),
  t("*", "{{partition(3,1.1)}}", ["x", "{{partition(3,1.1)}}"]),
  t("*", "{{split(1,(()}}", ["x((y", "x.y"]),
  t("*", "{{random(1)}}", ["a", "0"]),
];

function t(source: string, destination: string, ...examples: [string, string][]): Transform {
  return { source, destination, examples };
}

/** FNV-1a of 32 bits over UTF-8, modulo `count`. */
function partition(count: number, text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash % count;
}

/** Each transform has an account of its own, so that sources need no prefix. */
const accountOf = (index: number) => `T${index}`;

const server = sharedServer({
  config: `accounts {
    ${transforms
      .map(({ source, destination }, index) =>
        account(accountOf(index), `mappings { "${source}": "${destination}" }`),
      )
      .join("")}
    ${account("BYTES", `mappings { "*": "{{splitfromleft(1,1)}}", "*.*": "{{slicefromright(1,2)}}.{{left(2,1)}}" }`)}
    ${account("EMPTY", `mappings { "*": "{{split(1,a)}}" }`)}
    ${account("WHOLE", `mappings { "*": "{{partition(10)}}" }`)}
    ${account("WHOLE2", `mappings { "*.*": "{{partition(10)}}" }`)}
    ${account("RANDOM", `mappings { "*": "r.{{random(4)}}.$1", "lit.x": "{{Random(3)}}" }`)}
  }`,
});

/** Publishes and returns the subject that arrives at `>`. */
async function send(client: RawClient, subject: string): Promise<string> {
  client.send(`PUB ${subject} 0\r\n\r\n`);
  return (await readMessage(client)).subject;
}

async function listenAs(name: string): Promise<RawClient> {
  const client = await login(server(), name);
  await subscribe(client, ">");
  return client;
}

transforms.forEach(({ source, destination, examples }, index) => {
  row(`§3.5 §8.69 ${source} → ${destination}`, async () => {
    const client = await listenAs(accountOf(index));
    for (const [published, delivered] of examples) {
      expect([published, await send(client, published)]).toEqual([published, delivered]);
    }
    client.destroy();
  });
});

row("§3.5 tokens are cut between bytes, also inside of a character", async () => {
  const client = await listenAs("BYTES");
  client.send("PUB éa 0\r\n\r\n");
  await client.expect(Buffer.from("MSG \xc3.\xa9a 1 0\r\n\r\n", "latin1"));
  client.send("PUB éabc.é 0\r\n\r\n");
  await client.expect(Buffer.from("MSG \xc3.\xa9a.bc.\xc3 1 0\r\n\r\n", "latin1"));
  client.destroy();
});

row("§3.5 a split that leaves nothing: the message goes nowhere", async () => {
  const client = await listenAs("EMPTY");
  expect(await send(client, "bab")).toBe("b.b");
  client.send("PUB aaa 0\r\n\r\n");
  await client.roundTrip();
  client.destroy();
});

row("§3.5 §8.68 {{partition(10)}} hashes the whole subject, dots included", async () => {
  const one = await listenAs("WHOLE");
  for (const [subject, wanted] of [
    ["foo", "3"],
    ["baz", "0"],
    ["qux", "9"],
  ] as const) {
    expect([subject, await send(one, subject)]).toEqual([subject, wanted]);
  }
  const two = await listenAs("WHOLE2");
  for (const [subject, wanted] of [
    ["foo.bar", "6"],
    ["foo.baz", "4"],
  ] as const) {
    expect([subject, await send(two, subject)]).toEqual([subject, wanted]);
  }
  for (const client of [one, two]) client.destroy();
});

row("§3.5 §8.68 a partition is the same for every message, and they spread", async () => {
  const client = await listenAs("WHOLE");
  const seen = new Set<string>();
  for (let index = 0; index < 200; index++) {
    const subject = await send(client, `device-${index}`);
    expect(subject).toBe(String(partition(10, `device-${index}`)));
    seen.add(subject);
  }
  expect(seen.size).toBe(10);
  client.destroy();
});

row("§3.5 {{random(n)}}: every value from 0 to n - 1, with and without wildcards in the source", async () => {
  const client = await listenAs("RANDOM");
  const seen = new Set<string>();
  for (let index = 0; index < 200; index++) seen.add(await send(client, "tok"));
  expect([...seen].sort()).toEqual([0, 1, 2, 3].map((value) => `r.${value}.tok`));
  const literal = new Set<string>();
  for (let index = 0; index < 100; index++) literal.add(await send(client, "lit.x"));
  expect([...literal].sort()).toEqual(["0", "1", "2"]);
  client.destroy();
});
