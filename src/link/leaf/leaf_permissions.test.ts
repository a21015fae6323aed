import { describe, expect, test } from "bun:test";
import { hubGrants, JETSTREAM_DENIES, LeafPermissions, spokeGrants } from "./leaf_permissions.ts";

const DENIES = JETSTREAM_DENIES;
const USER = {
  publish: { allow: ["pp.>"], deny: ["pp.no"] },
  subscribe: { allow: ["ss.>", "qq.> workers"], deny: ["ss.no"] },
  responses: undefined,
};

describe("of a hub", () => {
  const hub = new LeafPermissions(false, hubGrants(USER, ["di.>", "ss.di"], DENIES));

  test("mayAnnounce() goes by what the leaf may publish, and lets wider patterns through", () => {
    expect(["pp.1", "pp.*", "pp.>", ">", "*.1"].map((subject) => hub.mayAnnounce(subject))).toEqual(
      Array(5).fill(true),
    );
    expect(["zz", "zz.>", "pp.no", "$KV.a", "$JS.API.>"].some((subject) => hub.mayAnnounce(subject))).toBe(
      false,
    );
  });

  test("mayTakeInterest() refuses literals the leaf may not subscribe to, and no patterns", () => {
    expect(["ss.1", "ss.*", "zz.>", ">", "$LDS.x", "_GR_.x"].map((s) => hub.mayTakeInterest(s))).toEqual(
      Array(6).fill(true),
    );
    expect(["zz", "ss.no", "ss.di", "$KV.a.b", "qq.1"].some((s) => hub.mayTakeInterest(s))).toBe(false);
  });

  test("maySend() goes by what the leaf may subscribe to and asked not to be sent", () => {
    expect(hub.maySend("ss.1")).toBe(true);
    expect(hub.maySend("_GR_.F2cAWZ.SRVHSH.ss.1")).toBe(true);
    expect(
      ["ss.no", "ss.di", "zz", "$JS.API.INFO", "_GR_.F2cAWZ.SRVHSH.zz"].some((s) => hub.maySend(s)),
    ).toBe(false);
  });

  test("mayServe() goes by denied groups, which are nothing to plain interest", () => {
    const subscribe = { allow: undefined, deny: ["ss.> one", "ss.x two.*"] };
    const groups = new LeafPermissions(false, hubGrants({ ...USER, subscribe }, [], DENIES));
    expect([groups.maySend("ss.x"), groups.mayTakeInterest("ss.x")]).toEqual([true, true]);
    expect(["one", "two.a", "other"].map((queue) => groups.mayServe("ss.x", queue))).toEqual([
      false,
      false,
      true,
    ]);
    expect(groups.mayServe("ss.y", "two.a")).toBe(true);
    expect(groups.mayServe("_GR_.F2cAWZ.SRVHSH.ss.y", "one")).toBe(false);
    expect(hub.mayServe("ss.1", "one")).toBe(true);
  });

  test("mayReceive() goes by what the user may publish, without what the server denies itself", () => {
    expect(["pp.1", "_R_.abc", "$JS.ACK.x", "_GR_.F2cAWZ.SRVHSH.pp.1"].every((s) => hub.mayReceive(s))).toBe(
      true,
    );
    expect(["zz", "pp.no", "$MQTT.x", "_GR_.F2cAWZ.SRVHSH.zz"].some((s) => hub.mayReceive(s))).toBe(false);
    const open = new LeafPermissions(false, hubGrants(null, [], DENIES));
    expect(open.mayReceive("$JS.API.INFO")).toBe(true);
    expect(open.maySend("$JS.API.INFO")).toBe(false);
  });
});

describe("of a spoke", () => {
  const told = { import: { allow: ["ss.>"], deny: undefined }, export: { allow: ["pp.>"], deny: undefined } };
  const own = { denyImports: ["ss.di"], denyExports: ["pp.de"] };
  const spoke = new LeafPermissions(true, spokeGrants(told, own, DENIES));

  test("mayAnnounce() keeps what the hub would end the connection for", () => {
    expect(["ss.1", "ss.>", ">", "$LDS.x"].every((s) => spoke.mayAnnounce(s))).toBe(true);
    expect(["ss.di", "zz", "$KV.a.b"].some((s) => spoke.mayAnnounce(s))).toBe(false);
  });

  test("maySend() and mayReceive() obey the hub and the remote's own lists", () => {
    expect([spoke.maySend("pp.1"), spoke.maySend("pp.de"), spoke.maySend("ss.1")]).toEqual([
      true,
      false,
      false,
    ]);
    expect([spoke.mayReceive("ss.1"), spoke.mayReceive("ss.di"), spoke.mayReceive("pp.1")]).toEqual([
      true,
      false,
      false,
    ]);
  });

  test("mayReceive() takes any reply that a gateway mapped", () => {
    expect(spoke.mayReceive("_GR_.F2cAWZ.SRVHSH.zz")).toBe(true);
    expect(spoke.mayReceive("_GR_.short")).toBe(false);
  });
});
