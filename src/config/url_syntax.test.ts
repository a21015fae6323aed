import { describe, expect, test } from "bun:test";
import { urlProblem } from "./url_syntax.ts";

// Each was given to Go's url.Parse as well.

const GOOD = [
  "",
  "localhost:4222",
  "nats://h",
  "nats://h:",
  "nats://u:p@ss@h:1/a?b=%zz",
  "nats://u:%41%25@h_1.x:4222",
  "nats://%C3%A9.fr:1",
  "nats://[::1]:4222",
  "nats://[::ffff:1.2.3.4]",
  "nats://[fe80::1%25en0]:1",
];

const BAD: readonly [url: string, problem: RegExp][] = [
  ["%%%", /"%25"/],
  ["nats://u:p%zz@h:1", /"%25"/],
  ["nats://h/a%", /"%25"/],
  ["nats://h#%", /"%25"/],
  ["ht!tp://%%%", /scheme/],
  ["127.0.0.1:4222", /scheme/],
  ["[::1]:4222", /scheme/],
  [":4222", /scheme/],
  ["nats://h:x", /port/],
  ["nats://h:-1", /port/],
  ["nats://u:p/w@h:1", /port/],
  ["nats://a b:1", /host/],
  ["nats://a%41b:1", /host/],
  ["nats://u:p w@h:1", /password/],
  ["nats://ü:p@h:1", /password/],
  ["nats://[1.2.3.4]:1", /brackets/],
  ["nats://a[::1]:1", /brackets/],
  ["nats://[::1:1", /brackets/],
  ["nats://h\t:1", /control/],
];

describe("urlProblem()", () => {
  test.each(GOOD)("takes %p", (url) => expect(urlProblem(url)).toBeNull());
  test.each(BAD)("refuses %p", (url, problem) => expect(urlProblem(url)).toMatch(problem));

  test("refuses two colons, which Go takes", () => expect(urlProblem("nats://a:1:2")).toMatch(/colon/));
});
