import { describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { readDer } from "./der.ts";
import { type DistinguishedName, nameText, parseCertificate } from "./x509.ts";

/** Made with OpenSSL: subject and alternative names as the tests below expect them, P-256, ends 2026-12-28 22:45:24. */
const CLIENT = `
MIIB9TCCAZqgAwIBAgIUYji38IXuNPLFmaIQ8hOHgJKdWRgwCgYIKoZIzj0EAwIwEjEQMA4GA1UEAwwHVGVzdCBDQTAeFw0yNjEx
MjgyMjQ1MjRaFw0yNjEyMjgyMjQ1MjRaMEwxFDASBgoJkiaJk/IsZAEZFgRhY21lMQswCQYDVQQGEwJVUzENMAsGA1UECgwEQWNt
ZTEMMAoGA1UECwwDRW5nMQowCAYDVQQDDAF4MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEfUAYke0FKGbJOf36XB1oDsy4O16a
lfkpT+LrxV6222XldKy0vkGvU449J5Fpi0j1xjsReYmH+j4rnAVo680PPaOBkzCBkDAdBgNVHQ4EFgQUZsETid0hahIuS0SeBnkE
+4yB8RUwHwYDVR0jBBgwFoAUs0T4rIIwV1Kq8asyOhyknuRvTOwwLgYDVR0RBCcwJYEFYUBiLmOCCWJvYi5sb2NhbIYRc3BpZmZl
Oi8vYWNtZS9ib2IwEwYDVR0lBAwwCgYIKwYBBQUHAwIwCQYDVR0TBAIwADAKBggqhkjOPQQDAgNJADBGAiEApBvF11EkFHW09P2/
PYh4WiOkAJArdFZoKi6Lq8UeFvECIQDpTHbyTmX+aOVjZQ/ZUYqXy7gBD4QgCTyzZaQpvN8o2w==`;

/** The same for a server: `DNS:h.example,IP:10.0.0.1,IP:fd00::1`. */
const SERVER = `
MIIBnTCCAUSgAwIBAgIUfxBzTZhmHNQqFOMCdblhYWKiUVwwCgYIKoZIzj0EAwIwDDEKMAgGA1UEAwwBczAgFw0yNjExMjkwMjQyMjNa
GA8yMTI2MTEwNTAyNDIyM1owDDEKMAgGA1UEAwwBczBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABJPrL25R0hO38imTrmG1QsyH+UUz
1bhZd2NuXoskSkbEDhU5Gkw72J+6Amslk/tuewczbjUWvdZ67AnHzlHoMZGjgYEwfzAdBgNVHQ4EFgQU5+ERgRYXeo4K4Wf4vug2myAC
a8QwHwYDVR0jBBgwFoAU5+ERgRYXeo4K4Wf4vug2myACa8QwDwYDVR0TAQH/BAUwAwEB/zAsBgNVHREEJTAjggloLmV4YW1wbGWHBAoA
AAGHEP0AAAAAAAAAAAAAAAAAAAEwCgYIKoZIzj0EAwIDRwAwRAIgX+vk5spWNw+5zWBx8coWi6e0GWuAAFHUluP4wbTj9VACIHkF9PU+
ClpPbB5G12waNvblZ2nO9IuacQTiaHBFqIJL`;

const der = new Uint8Array(Buffer.from(CLIENT.replace(/\s/g, ""), "base64"));

describe("parseCertificate()", () => {
  const certificate = parseCertificate(der)!;

  test("reads the subject with all its attributes, in order", () => {
    expect(certificate.subject).toEqual([
      [{ type: "0.9.2342.19200300.100.1.25", value: "acme" }],
      [{ type: "2.5.4.6", value: "US" }],
      [{ type: "2.5.4.10", value: "Acme" }],
      [{ type: "2.5.4.11", value: "Eng" }],
      [{ type: "2.5.4.3", value: "x" }],
    ]);
  });

  test("reads alternative names by kind", () => {
    expect(certificate.emails).toEqual(["a@b.c"]);
    expect(certificate.dnsNames).toEqual(["bob.local"]);
    expect(certificate.uris).toEqual(["spiffe://acme/bob"]);
  });

  test("reads addresses, as they are written", () => {
    expect(certificate.ipAddresses).toEqual([]);
    const server = parseCertificate(new Uint8Array(Buffer.from(SERVER.replace(/\s/g, ""), "base64")))!;
    expect(server.ipAddresses).toEqual(["10.0.0.1", "fd00::1"]);
    expect(server.dnsNames).toEqual(["h.example"]);
  });

  test("reads when it ends, and the public key as pins are made of it", () => {
    expect(new Date(certificate.notBeforeMs).toISOString()).toBe("2026-11-28T22:45:24.000Z");
    expect(new Date(certificate.notAfterMs).toISOString()).toBe("2026-12-28T22:45:24.000Z");
    expect(certificate.publicKeyInfo.length).toBe(91);
    expect(readDer(certificate.publicKeyInfo, 0, 91)?.end).toBe(91);
  });

  test("cut anywhere, or with any byte changed, it is read without a throw", () => {
    for (let length = 0; length < der.length; length++) {
      expect(parseCertificate(der.subarray(0, length))).toBe(null);
    }
    for (let at = 0; at < der.length; at++) {
      for (const value of [0, 0x7f, 0x80, 0xff]) {
        const changed = der.slice();
        changed[at] = value;
        const parsed = parseCertificate(changed);
        if (parsed !== null) expect(typeof nameText(parsed.subject)).toBe("string");
      }
    }
  });
});

describe("nameText()", () => {
  const name = (...attributes: [type: string, value: string][]): DistinguishedName =>
    attributes.map(([type, value]) => [{ type, value }]);
  const [C, O, OU, CN] = ["2.5.4.6", "2.5.4.10", "2.5.4.11", "2.5.4.3"];

  test("puts known attributes last first, and unknown ones at the end in hexadecimal", () => {
    const certificate = parseCertificate(der)!;
    expect(nameText(certificate.subject)).toBe(
      "CN=x,OU=Eng,O=Acme,C=US,0.9.2342.19200300.100.1.25=#130461636d65",
    );
  });

  test("joins values of one attribute, and keeps the last common name", () => {
    expect(nameText(name([OU!, "a"], [CN!, "one"], [OU!, "b"], [CN!, "two"]))).toBe("CN=two,OU=a+OU=b");
  });

  test("is in Go's order whatever the certificate's is", () => {
    expect(nameText(name([CN!, "x"], [O!, "Acme"], [C!, "US"]))).toBe("CN=x,O=Acme,C=US");
  });

  test("escapes what separates, and blanks and # at the ends", () => {
    expect(nameText(name([O!, 'a,b+c"d\\e<f>g;h']))).toBe('O=a\\,b\\+c\\"d\\\\e\\<f\\>g\\;h');
    expect(nameText(name([O!, " a "]))).toBe("O=\\ a\\ ");
    expect(nameText(name([O!, "#a#"]))).toBe("O=\\#a#");
  });

  test("is empty for a name without attributes", () => {
    expect(nameText([])).toBe("");
  });
});
