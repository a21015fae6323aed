import { expect, test } from "bun:test";
import fc from "fast-check";
import { decodeBase64Url, decodeSignature, encodeBase64Url } from "./base64.ts";

test("decodeBase64Url() reverses encodeBase64Url(), line ends in between or not", () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.nat(), (bytes, at) => {
      const text = encodeBase64Url(bytes);
      expect(text).toMatch(/^[\w-]*$/);
      const broken = `${text.slice(0, at)}\r\n${text.slice(at)}`;
      for (const form of [text, broken]) {
        const decoded = decodeBase64Url(form);
        expect(decoded.ok && new Uint8Array(decoded.bytes)).toEqual(bytes);
      }
    }),
  );
});

test("decodeBase64Url() says where it went wrong", () => {
  const offsetOf = (text: string) => {
    const decoded = decodeBase64Url(text);
    return decoded.ok ? undefined : decoded.text;
  };
  expect(offsetOf("AAAA!")).toBe("illegal base64 data at input byte 4");
  expect(offsetOf("AA==")).toBe("illegal base64 data at input byte 2");
  expect(offsetOf("AA+/")).toBe("illegal base64 data at input byte 2");
  expect(offsetOf("AAAAA")).toBe("illegal base64 data at input byte 4");
  expect(offsetOf("é")).toBe("illegal base64 data at input byte 0");
  expect(offsetOf("")).toBeUndefined();
});

test("decodeSignature() takes the URL alphabet bare and the standard one with padding", () => {
  const signature = Uint8Array.from({ length: 64 }, (_, i) => 255 - (i % 7));
  const standard = btoa(String.fromCharCode(...signature));
  const url = encodeBase64Url(signature);
  const decode = (text: string) => {
    const bytes = decodeSignature(text);
    return bytes && new Uint8Array(bytes);
  };
  expect(decode(url)).toEqual(signature);
  expect(decode(standard)).toEqual(signature);
  expect(decode(`${url}==`)).toBeUndefined();
  expect(decode("no signature")).toBeUndefined();
});
