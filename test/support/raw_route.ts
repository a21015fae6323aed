import { RawLink } from "./raw_link.ts";
import { CLOSED_PORT, type RawListener } from "./raw_listener.ts";

/** Fields of INFO or CONNECT; one that is undefined is left out. */
export type Fields = Readonly<Record<string, unknown>>;

let nextServer = 1;

/** INFO of a route, by a server of its own that pools and compresses nothing. */
export function routeInfo(fields: Fields = {}): Fields {
  const number = nextServer++;
  return {
    server_id: `NX${number}`,
    server_name: `X${number}`,
    version: "2.9.10",
    proto: 2,
    host: "127.0.0.1",
    port: CLOSED_PORT,
    headers: true,
    max_payload: 1048576,
    cluster: "C1",
    lnoc: true,
    lnocu: true,
    ...fields,
  };
}

/** CONNECT of a route. */
export function routeConnect(fields: Fields = {}): Fields {
  const flags = {
    echo: true,
    verbose: false,
    pedantic: false,
    tls_required: false,
    headers: true,
    lnoc: true,
  };
  return { ...flags, name: "NX", cluster: "C1", ...fields };
}

/** Dials a route listener and reads its INFO; nothing is said yet. */
export async function openRoute(port: number): Promise<RawLink> {
  const link = await RawLink.open(port);
  await link.readInfo();
  return link;
}

/** Dials a route listener as another member of cluster C1, which registers it. */
export async function joinRoute(port: number, info: Fields = {}, connect: Fields = {}): Promise<RawLink> {
  const link = await openRoute(port);
  link.sendJson("CONNECT", routeConnect(connect));
  link.sendJson("INFO", routeInfo(info));
  await link.roundTrip();
  return link;
}

/** Accepts what the server dials as the route proper, and refuses what is for one account. */
export async function acceptRoute(
  listener: RawListener,
  info: Fields = {},
  deadlineMs?: number,
): Promise<RawLink> {
  const own = routeInfo({ port: listener.port, ...info });
  for (;;) {
    const link = await listener.accept(deadlineMs);
    link.sendJson("INFO", own);
    const connect = await link.readConnect();
    const said = await link.readInfo(undefined, 1000).catch(() => undefined);
    if (connect.cluster !== undefined && said !== undefined && said.route_account === undefined) {
      await link.roundTrip();
      return link;
    }
    link.destroy();
  }
}
