import { describe, expect, test } from "bun:test";
import {
  connectLine,
  decodeLinkConnect,
  decodeLinkInfo,
  EMPTY_LINK_CONNECT,
  EMPTY_LINK_INFO,
  infoLine,
  ownInfoLine,
} from "./link_info.ts";

describe("INFO of links", () => {
  test("is written in nats-server's order and form", () => {
    const info = {
      ...EMPTY_LINK_INFO,
      serverId: "NA",
      serverName: "A",
      version: "2.15.2",
      protocol: 2,
      host: "127.0.0.1",
      port: 17001,
      headers: true,
      maxPayloadBytes: 1048576,
      cluster: "C1",
      connectUrls: ["127.0.0.1:17000"],
      import: { allow: ["imp.>"], deny: [] },
      lnoc: true,
      lnocu: true,
    };
    const document =
      '{"server_id":"NA","server_name":"A","version":"2.15.2","proto":2,"go":"","host":"127.0.0.1","port":17001,' +
      '"headers":true,"max_payload":1048576,"cluster":"C1","connect_urls":["127.0.0.1:17000"],' +
      '"import":{"allow":["imp.\\u003e"]},"lnoc":true,"lnocu":true}';
    expect(ownInfoLine(info)).toBe(`INFO ${document} \r\n`);
    expect(infoLine(info)).toBe(`INFO ${document}\r\n`);
    expect(decodeLinkInfo(document)).toEqual({ ok: true, values: info });
  });

  test("keeps texts as byte strings and commands as bytes", () => {
    const info = {
      ...EMPTY_LINK_INFO,
      cluster: "\xc3\xa4",
      gatewayCommand: 2,
      gatewayCommandPayload: "a\x00\xff",
    };
    const line = infoLine(info);
    expect(line).toContain('"cluster":"\xc3\xa4"');
    expect(line).toContain('"gateway_cmd":2,"gateway_cmd_payload":"YQD/"');
    expect(decodeLinkInfo('{"cluster":"ä","gateway_cmd":2,"gateway_cmd_payload":"YQD/"}')).toEqual({
      ok: true,
      values: info,
    });
  });

  test("is read as Go reads it: any case, null without effect, the last of two, unknown members skipped", () => {
    const json =
      '{"PORT":1,"port":2,"Server_Id":"x","headers":null,"later":{"a":[1,"}"]},"connect_urls":["a",null]} ';
    expect(decodeLinkInfo(json)).toEqual({
      ok: true,
      values: { ...EMPTY_LINK_INFO, port: 2, serverId: "x", connectUrls: ["a", ""] },
    });
    expect(decodeLinkInfo("null")).toEqual({ ok: true, values: EMPTY_LINK_INFO });
  });

  test.each([
    ['{"server_id":1}', "number into Go struct field Info.server_id of type string"],
    ['{"port":"1"}', "string into Go struct field Info.port of type int"],
    ['{"port":1.5}', "number 1.5 into Go struct field Info.port of type int"],
    ['{"max_payload":2147483648}', "number into Go struct field Info.max_payload of type int32"],
    ['{"gateway_cmd":256}', "number into Go struct field Info.gateway_cmd of type uint8"],
    ['{"gossip_mode":-1}', "number into Go struct field Info.gossip_mode of type uint8"],
    ['{"headers":1}', "number into Go struct field Info.headers of type bool"],
    ['{"connect_urls":["a",1]}', "array into Go struct field Info.connect_urls of type []string"],
    ['{"import":[]}', "array into Go struct field Info.import of type server.SubjectPermission"],
    ['{"gateway_cmd_payload":"?"}', "string into Go struct field Info.gateway_cmd_payload of type []uint8"],
  ])("%s is refused", (json, problem) => {
    expect(decodeLinkInfo(json)).toEqual({ ok: false, problem: `json: cannot unmarshal ${problem}` });
  });

  test.each(["", "{", "[]", "1", '{"a":1}}'])("%j is no INFO", (json) => {
    expect(decodeLinkInfo(json).ok).toBe(false);
  });
});

describe("CONNECT of links", () => {
  test("has the fields of its kind, in nats-server's order", () => {
    const route = { ...EMPTY_LINK_CONNECT, echo: true, headers: true, name: "NB", cluster: "C1", lnoc: true };
    expect(connectLine("route", route)).toBe(
      'CONNECT {"echo":true,"verbose":false,"pedantic":false,"tls_required":false,"headers":true,"name":"NB","cluster":"C1","lnoc":true}\r\n',
    );
    const leaf = {
      ...EMPTY_LINK_CONNECT,
      version: "2.15.2",
      serverId: "NB",
      name: "L",
      headers: true,
      denyPublish: ["di.>"],
    };
    expect(connectLine("leaf", leaf)).toBe(
      'CONNECT {"version":"2.15.2","server_id":"NB","name":"L","headers":true,"deny_pub":["di.\\u003e"]}\r\n',
    );
  });

  test("is read whoever sent it", () => {
    expect(decodeLinkConnect('{"lang":"go","verbose":true,"protocol":1}')).toEqual({
      ok: true,
      values: { ...EMPTY_LINK_CONNECT, lang: "go", verbose: true, protocol: 1 },
    });
    expect(decodeLinkConnect('{"user":1}').ok).toBe(false);
  });
});
