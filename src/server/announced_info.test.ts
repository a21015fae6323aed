import { expect, test } from "bun:test";
import { defaultOptions, type Options } from "../config/option_table.ts";
import { AnnouncedInfo } from "./announced_info.ts";

const SERVER = { id: "NID", xkey: "XID", runtime: "bun 1" };
const PORTS = new Map([["client", 4222]] as const);

function announced(options: Partial<Options>) {
  const all = { ...defaultOptions(), host: "127.0.0.1", ...options };
  const info = new AnnouncedInfo(SERVER, all, false);
  info.renew(all, false, PORTS);
  return { info, all };
}

test("AnnouncedInfo keeps what the cluster has told through a reload", () => {
  const { info, all } = announced({});
  info.takeClusterName("C");
  info.takeClientUrls("client", ["10.0.0.2:4222"]);
  info.renew({ ...all, maxPayloadBytes: 5 }, true, PORTS);
  expect(info.info).toMatchObject({
    cluster: "C",
    connectUrls: ["127.0.0.1:4222", "10.0.0.2:4222"],
    maxPayloadBytes: 5,
    authRequired: true,
  });
  expect(info.identity.cluster).toBe("C");
});

test("AnnouncedInfo tells clients in lame duck mode of the other servers only", () => {
  const { info } = announced({});
  info.takeClientUrls("client", ["10.0.0.2:4222"]);
  expect(info.inLameDuckMode).toMatchObject({ connectUrls: ["10.0.0.2:4222"], lameDuckMode: true });
  expect(info.info.lameDuckMode).toBeUndefined();
});

test("AnnouncedInfo changes nothing where client_advertise is no address", () => {
  const { info, all } = announced({});
  expect(() => info.renew({ ...all, clientAdvertise: ":1" }, false, PORTS)).toThrow(
    "ClientAdvertise value of :1",
  );
  expect(info.info.port).toBe(4222);
});
