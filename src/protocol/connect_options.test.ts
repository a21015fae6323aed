import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type ConnectOptions, DEFAULT_CONNECT_OPTIONS, parseConnectOptions } from "./connect_options.ts";

function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** Parses a document whose characters are bytes, put between other bytes. Null: refused. */
function parse(document: string, previous = DEFAULT_CONNECT_OPTIONS): ConnectOptions | null {
  const bytes = latin1(`{}${document}{}`);
  const result = parseConnectOptions(bytes, 2, 2 + document.length, previous);
  return result.ok ? result.options : null;
}

// All judged by nats-server 2.15.2.
describe("parseConnectOptions() accepts", () => {
  const cases: [document: string, changed: Partial<ConnectOptions>][] = [
    ["{}", {}],
    [" null ", {}],
    ['{"VERBOSE":false}', { verbose: false }],
    ['{"verbose":false,"VERBOSE":true}', {}],
    ['{"VERBOSE":true,"verbose":true,"VERBOSE":false}', { verbose: false }],
    ['{"verbose":false,"verbose":null}', { verbose: false }],
    ['{"verbose":null}', {}],
    ['{"protocol":-0}', {}],
    ['{"protocol":-1}', { protocol: -1 }],
    ['{"protocol":9223372036854775807}', { protocol: 2 ** 63 }],
    ['{"verbo\xc5\xbfe":false}', { verbose: false }],
    ['{"n\xe2\x84\xaaey":"U"}', { nkey: "U" }],
    ['{"\\u0076erbose":false}', { verbose: false }],
    ['{"import":{},"remote_account":"x"}', {}],
    ['{"zzz":[1,{"verbose":false}],"y":"}\\"{,"}', {}],
    ['{ "zzz" : {"verbose":false} ,\t"echo" : false }', { echo: false }],
    ['{"name":"\xff\xc3\xa9"}', { name: "\ufffdé" }],
    ['{"name":"\\ud800x"}', { name: "\ufffdx" }],
    ['{"__proto__":{"verbose":false},"constructor":1}', {}],
    [
      '{"verbose":false,"pedantic":false,"tls_required":true,"headers":true,"no_responders":true,"name":"n",' +
        '"lang":"l","version":"1","protocol":1,"user":"u","pass":"p","auth_token":"t","nkey":"k","jwt":"j",' +
        '"sig":"s","proxy_sig":"ps","account":"a","new_account":true,"echo":false}',
      {
        verbose: false,
        pedantic: false,
        echo: false,
        protocol: 1,
        headers: true,
        noResponders: true,
        tlsRequired: true,
        name: "n",
        lang: "l",
        version: "1",
        authToken: "t",
        user: "u",
        password: "p",
        nkey: "k",
        jwt: "j",
        signature: "s",
        proxySignature: "ps",
        account: "a",
        isNewAccount: true,
      },
    ],
  ];
  for (const [document, changed] of cases) {
    test(document, () => expect(parse(document)).toEqual({ ...DEFAULT_CONNECT_OPTIONS, ...changed }));
  }
});

describe("parseConnectOptions() refuses", () => {
  for (const document of [
    "",
    "[]",
    "true",
    '"x"',
    "{} x",
    "{}{}",
    "\xef\xbb\xbf{}",
    "\xc2\xa0{}",
    '{"verbose":"yes"}',
    '{"verbose":"x","verbose":false}',
    '{"verbose":0}',
    '{"protocol":1.0}',
    '{"protocol":1e0}',
    '{"protocol":01}',
    '{"protocol":9223372036854775808}',
    '{"protocol":"1"}',
    '{"name":5}',
    '{"nkey":true}',
    '{"import":5}',
    '{"import":[]}',
    '{"remote_account":1}',
    '{"verbose":false,}',
    '{"name":"a\tb"}',
  ]) {
    test(JSON.stringify(document), () => expect(parse(document)).toBe(null));
  }

  test("without telling the log what the value was", () => {
    const bytes = latin1('{"pass":["hunter2"]}');
    expect(parseConnectOptions(bytes, 0, bytes.length, DEFAULT_CONNECT_OPTIONS)).toEqual({
      ok: false,
      problem: "CONNECT field pass must be a string",
    });
  });
});

describe("parseConnectOptions()", () => {
  test("keeps what a second CONNECT leaves out and changes no earlier result", () => {
    const first = parse('{"verbose":false,"user":"u","headers":true}')!;
    const second = parse('{"user":"v","headers":null}', first);
    expect(second).toEqual({ ...DEFAULT_CONNECT_OPTIONS, verbose: false, user: "v", headers: true });
    expect(first.user).toBe("u");
  });

  test("reads every JSON object as JSON.parse does, whatever stands beside the known fields", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.string(),
        fc.boolean(),
        (rest, name, echo) => {
          const unknown = Object.entries(rest).map(([key, value]) => [`${key}?`, value]);
          const object = Object.fromEntries([...unknown, ["name", name], ["echo", echo]]);
          const bytes = new TextEncoder().encode(JSON.stringify(object, null, 1));
          expect(parseConnectOptions(bytes, 0, bytes.length, DEFAULT_CONNECT_OPTIONS)).toEqual({
            ok: true,
            options: { ...DEFAULT_CONNECT_OPTIONS, name: name.toWellFormed(), echo },
          });
        },
      ),
    );
  });

  test("reads shared memory", () => {
    const document = latin1('{"name":"n"}');
    const shared = new Uint8Array(new SharedArrayBuffer(document.length));
    shared.set(document);
    const result = parseConnectOptions(shared, 0, shared.length, DEFAULT_CONNECT_OPTIONS);
    expect(result.ok && result.options.name).toBe("n");
  });
});
