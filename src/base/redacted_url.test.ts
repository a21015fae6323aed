import { expect, test } from "bun:test";
import { withoutPassword, withoutUser } from "./redacted_url.ts";

test("withoutPassword() leaves nothing of a password", () => {
  for (const password of ["p", "a:b", "p@ss", "@", ":@:", "p%2Fq"]) {
    expect(withoutPassword(`nats-route://u:${password}@h:6222/`)).toBe("nats-route://u:xxxxx@h:6222/");
  }
  expect(withoutPassword("http://:p@h")).toBe("http://:xxxxx@h");
  expect(withoutPassword("http://me@corp.com:p@h")).toBe("http://me@corp.com:xxxxx@h");
});

test("withoutPassword() leaves what has none as it is", () => {
  for (const url of ["nats://h:4222", "nats://u@h:4222", "http://[::1]:80/a:b@c", "h:4222"]) {
    expect(withoutPassword(url)).toBe(url);
  }
});

test("withoutUser() leaves nothing of users and passwords", () => {
  for (const user of ["u", "u:p", "u:p@ss", "u:p/q", "u:p,q", "u:p q", "@"]) {
    expect(withoutUser(`nats-leaf://${user}@hub:7422`)).toBe("nats-leaf://[REDACTED]@hub:7422");
  }
  expect(withoutUser("nats://b:2")).toBe("nats://b:2");
});
