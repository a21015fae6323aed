import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { RawLink } from "./raw_link.ts";
import { RawListener } from "./raw_listener.ts";
import type { Fields } from "./raw_route.ts";

let nextServer = 1;

/** CONNECT of a gateway. */
export function gatewayConnect(name: string, fields: Fields = {}): Fields {
  const flags = { echo: false, verbose: false, pedantic: false, tls_required: false, headers: false };
  return { ...flags, name: "NG", cluster: "", gateway: name, ...fields };
}

/** INFO of a gateway server that can be reached at this address, and switches accounts to interest only. */
export function gatewayInfo(name: string, address: string, fields: Fields = {}): Fields {
  const number = nextServer++;
  return {
    server_id: `NG${number}`,
    server_name: `G${number}`,
    version: "2.9.10",
    proto: 0,
    headers: true,
    max_payload: 1048576,
    gateway: name,
    gateway_url: address,
    gateway_urls: [address],
    gateway_nrp: true,
    gateway_iom: true,
    ...fields,
  };
}

/** Name of an account as gateway commands carry it. */
export function payloadOf(account: string): string {
  return Buffer.from(account).toString("base64");
}

/** The six characters that stand for a cluster's name or a server's id in a reply of gateways. */
export function gatewayHash(text: string): string {
  const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  const digest = createHash("sha256").update(text).digest();
  return [...digest.subarray(0, 6)].map((byte) => alphabet[byte % 62]).join("");
}

/** Dials a gateway listener, reads its INFO, and registers as a server of the cluster `name`. */
export async function dialGateway(
  port: number,
  name: string,
  address: string,
  info: Fields = {},
  connect: Fields = {},
): Promise<RawLink> {
  const link = await RawLink.open(port);
  await link.readInfo();
  link.sendJson("CONNECT", gatewayConnect(name, connect));
  link.sendJson("INFO", gatewayInfo(name, address, info));
  return link;
}

/** Accepts what a gateway dials. */
export async function acceptGateway(
  listener: RawListener,
  name: string,
  info: Fields = {},
  deadlineMs?: number,
): Promise<{ link: RawLink; connect: Fields }> {
  const link = await listener.accept(deadlineMs);
  link.sendJson("INFO", gatewayInfo(name, listener.address, info));
  const connect = await link.readConnect();
  await link.readInfo();
  return { link, connect };
}

/** A cluster of one raw server, with its two connections to a server's gateway. */
export class RawGateway {
  readonly name: string;
  readonly listener: RawListener;
  /** The one that we dialled: we are told interest on it, and send messages. */
  readonly inbound: RawLink;
  /** The one that the server dialled: we tell interest on it, and are sent messages. */
  readonly outbound: RawLink;

  private constructor(name: string, listener: RawListener, inbound: RawLink, outbound: RawLink) {
    this.name = name;
    this.listener = listener;
    this.inbound = inbound;
    this.outbound = outbound;
  }

  /** Dials the server, which dials back. Both connections are up on return. */
  static async join(port: number, name: string, info: Fields = {}): Promise<RawGateway> {
    const listener = await RawListener.open();
    const id = nextServer++;
    const own = { server_id: `NRAW${id}`, server_name: `RAW${id}`, ...info };
    const inbound = await dialGateway(port, name, listener.address, own);
    const { link: outbound } = await acceptGateway(listener, name, own);
    await inbound.roundTrip();
    await outbound.roundTrip();
    return new RawGateway(name, listener, inbound, outbound);
  }

  /** Tells the server all interest of an account, as plain `subject` or `subject queue`. */
  async tell(account: string, ...interest: string[]): Promise<void> {
    const command = (number: number) =>
      this.outbound.sendJson("INFO", {
        gateway: this.name,
        gateway_cmd: number,
        gateway_cmd_payload: payloadOf(account),
      });
    command(2);
    for (const each of interest)
      this.outbound.send(`RS+ ${account} ${each}${each.includes(" ") ? " 1" : ""}`);
    command(3);
    await this.outbound.roundTrip();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.inbound.destroy();
    this.outbound.destroy();
    await this.listener[Symbol.asyncDispose]();
  }
}
