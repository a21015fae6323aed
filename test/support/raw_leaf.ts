import { RawLink } from "./raw_link.ts";
import type { RawListener } from "./raw_listener.ts";
import type { Fields } from "./raw_route.ts";

let nextLeaf = 1;

/** CONNECT of a leaf node that compresses nothing, alone in a cluster of its server's name. */
export function leafConnect(fields: Fields = {}): Fields {
  const number = nextLeaf++;
  return {
    version: "2.9.10",
    server_id: `NL${number}`,
    name: `L${number}`,
    cluster: "LC",
    headers: true,
    remote_account: "$G",
    ...fields,
  };
}

/** Dials a leaf node listener, sends CONNECT and waits for the INFO that ends the handshake. */
export async function joinLeaf(port: number, fields: Fields = {}): Promise<RawLink> {
  const link = await openLeaf(port);
  link.sendJson("CONNECT", leafConnect(fields));
  await link.readInfo((info) => info.connect_info === true);
  return link;
}

/** Dials a leaf node listener and reads its first INFO. */
export async function openLeaf(port: number): Promise<RawLink> {
  const link = await RawLink.open(port);
  await link.readInfo();
  return link;
}

/** INFO of a hub, as it comes first. */
export function hubInfo(listener: RawListener, fields: Fields = {}): Fields {
  return {
    server_id: "NHUB",
    server_name: "HUB",
    version: "2.9.10",
    proto: 1,
    host: "127.0.0.1",
    port: listener.port,
    headers: true,
    auth_required: true,
    max_payload: 1048576,
    client_id: 1,
    nonce: "abcdefghijklmno",
    info_on_connect: true,
    leafnode_urls: [listener.address],
    ...fields,
  };
}

/** A server that dials as a leaf node, and what it said in CONNECT. */
export interface AcceptedLeaf {
  readonly link: RawLink;
  readonly connect: Fields;
}

/** Accepts a leaf node as a hub does; `fields` stand in both INFO lines, `terms` in the second. */
export async function acceptLeaf(
  listener: RawListener,
  fields: Fields = {},
  terms: Fields = {},
  deadlineMs?: number,
): Promise<AcceptedLeaf> {
  const link = await listener.accept(deadlineMs);
  link.sendJson("INFO", hubInfo(listener, fields));
  const connect = await link.readConnect();
  const { nonce: _, ...second } = hubInfo(listener, fields);
  link.sendJson("INFO", { ...second, connect_info: true, remote_account: "$G", ...terms });
  await link.roundTrip();
  return { link, connect };
}
