import { describe, expect, test } from "bun:test";
import { clientInfoMembers, readClientInfo } from "./client_info.ts";
import { disclosed, encodeRequestInfo, firstHop, nextHop, nextHopOfLeaf } from "./request_info.ts";

const CLIENT = {
  startedAtMs: Date.parse("2026-11-28T23:02:59.744Z"),
  host: "127.0.0.1",
  clientId: 8,
  account: "B",
  user: "b",
  name: "req",
  language: "l",
  version: "2",
  rttNs: 508_577,
  tags: [],
  kind: "Client",
  clientType: "nats",
};
const PLACE = { server: "S1", cluster: "C1", alternates: ["C2", "C3"] };
const PLAIN = { share: false, isSystemExport: false };
const SHARED = { share: true, isSystemExport: false };
const SYSTEM = { share: false, isSystemExport: true };

const DETAILS =
  '{"start":"2026-11-28T23:02:59.744Z","host":"127.0.0.1","id":8,"acc":"B","user":"b","name":"req","lang":"l",' +
  '"ver":"2","rtt":508577,"server":"S1","kind":"Client","client_type":"nats"}';

test("disclosed() tells all or next to nothing", () => {
  expect(disclosed(CLIENT, PLACE, true)).toEqual({ ...CLIENT, ...PLACE });
  expect(disclosed(CLIENT, PLACE, false)).toEqual({ account: "B", rttNs: 508_577 });
});

describe("firstHop()", () => {
  test("tells account and round trip", () => {
    expect(encodeRequestInfo(firstHop(CLIENT, PLACE, PLAIN))).toBe('{"acc":"B","rtt":508577}');
  });

  test("leaves out a round trip that is not known", () => {
    expect(encodeRequestInfo(firstHop({ account: "B" }, PLACE, PLAIN))).toBe('{"acc":"B"}');
  });

  test("tells everything where that is shared", () => {
    expect(encodeRequestInfo(firstHop(CLIENT, { server: "S1" }, SHARED))).toBe(DETAILS);
  });

  test("tells the system account where the client is", () => {
    expect(encodeRequestInfo(firstHop(CLIENT, PLACE, SYSTEM))).toBe(
      '{"acc":"B","rtt":508577,"server":"S1","cluster":"C1","alts":["C2","C3"]}',
    );
  });
});

describe("nextHop()", () => {
  test("keeps who asked and names the account in the middle", () => {
    const info = nextHop(firstHop({ account: "CH", rttNs: 1 }, PLACE, PLAIN), "MID", PLACE, PLAIN);
    expect(encodeRequestInfo(info)).toBe('{"acc":"CH","svc":"MID","rtt":1}');
    const further = nextHop(info, "MID2", PLACE, PLAIN);
    expect(encodeRequestInfo(further)).toBe('{"acc":"CH","svc":"MID2","rtt":1}');
  });

  test("adds the place where it begins to share", () => {
    const first = firstHop({ account: "CH", rttNs: 1 }, PLACE, PLAIN);
    const told = '{"acc":"CH","svc":"MID","rtt":1,"server":"S1"}';
    expect(encodeRequestInfo(nextHop(first, "MID", { server: "S1" }, SHARED))).toBe(told);
    expect(encodeRequestInfo(nextHop(first, "MID", { server: "S1" }, SYSTEM))).toBe(told);
  });

  test("goes on telling what was shared before", () => {
    const info = nextHop(firstHop(CLIENT, { server: "S1" }, SHARED), "MID", { server: "S2" }, PLAIN);
    expect(info.client).toMatchObject({ host: "127.0.0.1", server: "S1", serviceAccount: "MID" });
    expect(info.isShared).toBe(false);
  });
});

test("nextHopOfLeaf() tells anew who asks, as far as the import before shares", () => {
  const at = { server: "S1" };
  const hidden = nextHopOfLeaf(firstHop(CLIENT, at, SHARED), CLIENT, "MID", at, PLAIN);
  expect(hidden.client).toMatchObject({ host: "127.0.0.1", serviceAccount: "MID" });
  expect(nextHopOfLeaf(hidden, CLIENT, "END", at, PLAIN).client).toEqual({
    account: "B",
    rttNs: 508_577,
    serviceAccount: "END",
  });
  const shared = nextHopOfLeaf(firstHop(CLIENT, at, PLAIN), CLIENT, "MID", at, SHARED);
  expect(shared.client).toEqual({ account: "B", rttNs: 508_577, serviceAccount: "MID", server: "S1" });
  expect(nextHopOfLeaf(shared, CLIENT, "END", at, PLAIN).client).toMatchObject({ user: "b", server: "S1" });
});

test("clientInfoMembers() keeps nats-server's order, readClientInfo() reads it back", () => {
  const info = {
    reply: "r",
    nonce: "n",
    mqttClientId: "q",
    clientType: "mqtt",
    kind: "Client",
    tags: ["t"],
    nameTag: "nt",
    issuerKey: "ik",
    jwt: "j",
    stoppedAtMs: Date.parse("2026-01-02T03:04:05Z"),
    alternates: ["x"],
    cluster: "c",
    server: "s",
    rttNs: 5,
    version: "v",
    language: "l",
    name: "n",
    user: "u",
    serviceAccount: "sv",
    account: "a",
    clientId: 7,
    host: "h",
    startedAtMs: Date.parse("2026-01-02T03:04:04.5Z"),
  };
  const members = clientInfoMembers(info);
  expect(Object.keys(members).join(",")).toBe(
    "start,host,id,acc,svc,user,name,lang,ver,rtt,server,cluster,alts,stop,jwt,issuer_key,name_tag,tags,kind,client_type,client_id,nonce,reply",
  );
  expect(readClientInfo(members)).toEqual(info);
  expect(readClientInfo({ acc: 1, rtt: "x", tags: [1], start: "never" })).toEqual({ account: "" });
});
