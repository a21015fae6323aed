import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  decodeSocketAddress,
  encodeSocketAddress,
  hostPortText,
  isEveryAddress,
  isIpAddress,
} from "./socket_address.ts";

const view = new DataView(new ArrayBuffer(28));

function roundTrip(ip: string, port: number) {
  return encodeSocketAddress(view, ip, port) === 0 ? undefined : decodeSocketAddress(view);
}

describe("encodeSocketAddress() and decodeSocketAddress()", () => {
  test("are inverse for every IPv4 address and port", () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.nat(65535), (ip, port) => {
        expect(roundTrip(ip, port)).toEqual({ ip, port });
      }),
    );
  });

  test("bring an IPv6 address to its canonical text", () => {
    expect(roundTrip("::1", 4222)).toEqual({ ip: "::1", port: 4222 });
    expect(roundTrip("::", 0)).toEqual({ ip: "::", port: 0 });
    expect(roundTrip("2001:DB8:0:0:1:0:0:1", 1)).toEqual({ ip: "2001:db8::1:0:0:1", port: 1 });
    expect(roundTrip("1:2:3:4:5:6:7:8", 1)).toEqual({ ip: "1:2:3:4:5:6:7:8", port: 1 });
    expect(roundTrip("fe80::", 1)).toEqual({ ip: "fe80::", port: 1 });
  });

  test("show a v4-mapped address as IPv4", () => {
    expect(roundTrip("::ffff:192.0.2.7", 80)).toEqual({ ip: "192.0.2.7", port: 80 });
  });

  test("keep canonical IPv6 text as it is", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(65535), { minLength: 8, maxLength: 8 }), (words) => {
        fc.pre(!(words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff));
        const canonical = new URL(`http://[${words.map((w) => w.toString(16)).join(":")}]/`).hostname.slice(
          1,
          -1,
        );
        expect(roundTrip(canonical, 9)).toEqual({ ip: canonical, port: 9 });
      }),
    );
  });

  test("refuse what is no IP address", () => {
    for (const text of [
      "",
      "localhost",
      "1.2.3",
      "1.2.3.256",
      "01.2.3.4",
      "1.2.3.4.5",
      ":::",
      "1::2::3",
      "::1%lo",
      "::g",
    ]) {
      expect(encodeSocketAddress(view, text, 1)).toBe(0);
    }
  });
});

test("isEveryAddress() knows the wildcards of both families, and Go's empty host", () => {
  const hosts = ["", "0.0.0.0", "::", "127.0.0.1", "::1", "localhost"];
  expect(hosts.filter(isEveryAddress)).toEqual(["", "0.0.0.0", "::"]);
});

test("hostPortText() puts brackets around IPv6 alone", () => {
  expect(hostPortText("127.0.0.1", 4222)).toBe("127.0.0.1:4222");
  expect(hostPortText("::1", 4222)).toBe("[::1]:4222");
});

test("isIpAddress() knows the forms of both families, and nothing else", () => {
  const addresses = ["127.0.0.1", "0.0.0.0", "::1", "::", "fe80::1:2", "::ffff:1.2.3.4", "2001:DB8::F"];
  expect(addresses.filter((text) => !isIpAddress(text))).toEqual([]);
  const others = [
    "",
    "localhost",
    "1.2.3",
    "1.2.3.256",
    "01.2.3.4",
    "1.2.3.4.",
    "fe80::1%lo",
    "a:b",
    "[::1]",
  ];
  expect(others.filter(isIpAddress)).toEqual([]);
});
