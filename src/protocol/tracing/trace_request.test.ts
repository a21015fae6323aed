import { describe, expect, test } from "bun:test";
import { byteStringOfText, bytesOf } from "../../subject/byte_string.ts";
import { readTraceRequest } from "./trace_request.ts";

const PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";

function read(...lines: string[]) {
  return readBlock(`NATS/1.0\r\n${lines.map((line) => `${line}\r\n`).join("")}\r\n`);
}

function readBlock(block: string) {
  const bytes = bytesOf(byteStringOfText(block));
  return readTraceRequest(bytes, bytes.length);
}

describe("readTraceRequest()", () => {
  test("reads the headers as they are written, without blanks around values", () => {
    const request = read("A: 1", "Nats-Trace-Dest:\t traces \t", "a:2", "A:3", "ü: ö", "Empty: ", ": x");
    expect(request?.destination).toBe("traces");
    expect([...request!.headers]).toEqual([
      ["A", ["1", "3"]],
      ["Nats-Trace-Dest", ["traces"]],
      ["a", ["2"]],
      ["ü", ["ö"]],
    ]);
  });

  test("is null where nothing asks", () => {
    expect(read("A: b")).toBeNull();
    expect(read()).toBeNull();
    expect(readBlock("")).toBeNull();
    expect(readBlock("NATS/1.0 100 x\r\nNats-Trace-Dest: t\r\n\r\n")).toBeNull();
    expect(read("Nats-Trace-Dest:")).toBeNull();
    expect(read("nats-trace-dest: t")).toBeNull();
    expect(read("Nats-Trace-Dest : t")).toBeNull();
    expect(read("no colon", "Nats-Trace-Dest: t")).toBeNull();
  });

  test("is null where a server has said no", () => {
    expect(read("Nats-Trace-Dest: trace disabled")).toBeNull();
    expect(read(`traceparent: ${PARENT}-01`, "Nats-Trace-Dest: trace disabled")).toBeNull();
  });

  test("takes what is there of a block that is cut off", () => {
    expect(readBlock("NATS/1.0\r\nNats-Trace-Dest: t\r\nA: cut")?.destination).toBe("t");
    expect(readBlock("NATS/1.0\r\nNats-Trace-Dest: t")).toBeNull();
  });

  test("knows what is only to be traced", () => {
    const isOnly = (value: string) => read("Nats-Trace-Dest: t", `Nats-Trace-Only: ${value}`)!.isOnly;
    for (const value of ["1", "true", "True", "ON"]) expect(isOnly(value)).toBe(true);
    for (const value of ["0", "false", "yes", "11"]) expect(isOnly(value)).toBe(false);
    expect(read(`traceparent: ${PARENT}-01`, "Nats-Trace-Only: 1")!.isOnly).toBe(false);
  });

  test("takes traceparent in any case, if the caller traces, for what the account says", () => {
    const asks = (header: string) => read(header)?.destination === null;
    for (const flags of ["01", "03", "7f", "+1", "0B"])
      expect(asks(`traceparent: ${PARENT}-${flags}`)).toBe(true);
    for (const flags of ["00", "02", "81", "ff", "1", "001", "0x", "-1", ""])
      expect(asks(`traceparent: ${PARENT}-${flags}`)).toBe(false);
    expect(asks(`TraceParent: ${PARENT}-01`)).toBe(true);
    expect(asks(`traceparents: ${PARENT}-01`)).toBe(false);
    expect(asks(`traceparent: ${PARENT}`)).toBe(false);
    expect(read("Nats-Trace-Dest: own", `traceparent: ${PARENT}-01`)?.destination).toBe("own");
  });

  test("has the rest that servers look at", () => {
    const request = read(
      "Nats-Trace-Dest: t",
      "Nats-Trace-Hop: 1.2",
      "Nats-Trace-Origin-Account: A",
      "Accept-Encoding: gzip",
    );
    expect(request).toMatchObject({ hop: "1.2", originAccount: "A", acceptEncoding: "gzip" });
    expect(read("Nats-Trace-Dest: t")).toMatchObject({ hop: "", originAccount: "", acceptEncoding: "" });
  });
});
