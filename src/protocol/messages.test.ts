import { expect, test } from "bun:test";
import { headerValue } from "./headers.ts";
import { infoLine, type ServerInfo } from "./info.ts";
import { errorLine, noRespondersMessage, OK_LINE, PING_LINE, PONG_LINE } from "./messages.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

test("the fixed lines end in CR LF", () => {
  expect(decoder.decode(OK_LINE)).toBe("+OK\r\n");
  expect(decoder.decode(PING_LINE)).toBe("PING\r\n");
  expect(decoder.decode(PONG_LINE)).toBe("PONG\r\n");
});

test("errorLine() puts the text between quotes and escapes nothing", () => {
  expect(decoder.decode(errorLine(`Permissions Violation for Publish to "a'b"`))).toBe(
    `-ERR 'Permissions Violation for Publish to "a'b"'\r\n`,
  );
});

test("noRespondersMessage() is the 503 of the protocol", () => {
  const message = noRespondersMessage(encoder.encode("inbox"), encoder.encode("9"), encoder.encode("svc"));
  expect(decoder.decode(message)).toBe("HMSG inbox 9 35 35\r\nNATS/1.0 503\r\nNats-Subject: svc\r\n\r\n\r\n");
  const subject = Uint8Array.of(0xff, 0x00);
  const odd = noRespondersMessage(encoder.encode("r"), encoder.encode("1"), subject);
  expect(odd.length).toBe("HMSG r 1 34 34\r\n".length + 34 + 2);
  expect(odd[odd.length - 8]).toBe(0xff);
});

test("headerValue() finds a header by its exact name and trims the value", () => {
  const block =
    "NATS/1.0 503 No\r\nNats-Trace: x\r\nnats-trace-dest: no\r\nNats-Trace-Dest:  a.b \t\r\nEmpty:\r\n" +
    "Spaced : no\r\nNats-Trace-Dest: second\r\n\r\n";
  const bytes = encoder.encode(`Lost: 1\r\n${block}After: 1\r\n\r\n`);
  const start = "Lost: 1\r\n".length;
  const value = (name: string) => headerValue(bytes, start, start + block.length, name);
  expect(value("Nats-Trace-Dest")).toBe("a.b");
  expect(value("nats-trace-dest")).toBe("no");
  expect(value("Empty")).toBe("");
  expect(value("Spaced")).toBe(null);
  expect(value("NATS/1.0 503 No")).toBe(null);
  expect(value("Lost")).toBe(null);
  expect(value("After")).toBe(null);
});

test("headerValue() finds nothing in what is no header block", () => {
  for (const text of ["", "abc", "NATS/1.0", "NATS/1.0\r\n", "NATS/1.0\r\nName", "\r\n\r\n", "A: 1\r\n"]) {
    const bytes = encoder.encode(text);
    expect(headerValue(bytes, 0, bytes.length, "A")).toBe(null);
    expect(headerValue(bytes, 0, bytes.length, "Name")).toBe(null);
  }
});

const minimal: ServerInfo = {
  serverId: "NA",
  serverName: "NA",
  version: "2.15.2",
  goVersion: "go1.26",
  host: "0.0.0.0",
  port: 4222,
  headers: false,
  maxPayloadBytes: 1048576,
};

test("infoLine() leaves out what is false, zero or empty", () => {
  const line =
    'INFO {"server_id":"NA","server_name":"NA","version":"2.15.2","proto":1,"go":"go1.26","host":"0.0.0.0",' +
    '"port":4222,"headers":false,"max_payload":1048576} \r\n';
  expect(decoder.decode(infoLine(minimal))).toBe(line);
  const empty = { clientId: 0, cluster: "", connectUrls: [], lameDuckMode: false };
  expect(decoder.decode(infoLine({ ...minimal, ...empty }))).toBe(line);
});

test("infoLine() names every field in nats-server's order", () => {
  const line = decoder.decode(
    infoLine({
      ...minimal,
      gitCommit: "abc",
      authRequired: true,
      tlsRequired: true,
      tlsVerify: true,
      tlsAvailable: true,
      jetStream: true,
      clientId: 5,
      clientIp: "::1",
      nonce: "n",
      cluster: "c",
      jetStreamDomain: "d",
      connectUrls: ["a:1", "b:2"],
      lameDuckMode: true,
      connectInfo: true,
      remoteAccount: "$G",
      accountIsSystem: true,
      jetStreamApiLevel: 5,
      xkey: "X",
    }),
  );
  expect(Object.keys(JSON.parse(line.slice("INFO ".length)))).toEqual(
    (
      "server_id server_name version proto git_commit go host port headers auth_required tls_required tls_verify " +
      "tls_available max_payload jetstream client_id client_ip nonce cluster domain connect_urls ldm connect_info " +
      "remote_account acc_is_sys api_lvl xkey"
    ).split(" "),
  );
});
