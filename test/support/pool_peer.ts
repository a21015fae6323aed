/** Another member of cluster C1 that has a pool of routes, and routes for single accounts, as scripts. */
import { DEADLINE_MS } from "./deadline.ts";
import type { Info } from "./raw_client.ts";
import type { RawLink } from "./raw_link.ts";
import type { RawListener } from "./raw_listener.ts";
import { type Fields, openRoute, routeConnect, routeInfo } from "./raw_route.ts";

/** A place in the pool, or the account that a connection is for. */
export type Place = number | string;

/** INFO of a member with a pool. */
export function pooledInfo(name: string, fields: Fields = {}): Fields {
  const abilities = { version: "2.15.2", proto: 3, ln: true, route_pool_size: 3 };
  return routeInfo({ server_id: `N${name}`, server_name: name, ...abilities, ...fields });
}

/** Dials a route listener and says where the connection belongs; whether that is accepted is not waited for. */
export async function openPlace(
  port: number,
  name: string,
  place: Place,
  fields: Fields = {},
): Promise<RawLink> {
  const link = await openRoute(port);
  const said = typeof place === "number" ? { route_pool_idx: place || undefined } : { route_account: place };
  link.sendJson("CONNECT", routeConnect({ name: `N${name}` }));
  link.sendJson("INFO", pooledInfo(name, { ...said, ...fields }));
  return link;
}

/** The same, registered. */
export async function joinPlace(
  port: number,
  name: string,
  place: Place,
  fields: Fields = {},
): Promise<RawLink> {
  const link = await openPlace(port, name, place, fields);
  await link.roundTrip();
  return link;
}

/** A connection that the server under test has opened, and what it said of itself in it. */
export interface Dialled {
  readonly link: RawLink;
  readonly connect: Record<string, unknown>;
  readonly info: Info;
  readonly place: Place;
}

/** Takes the next connection that the server dials, and lets it in. */
export async function acceptPlace(
  listener: RawListener,
  name: string,
  fields: Fields = {},
  deadlineMs = DEADLINE_MS,
): Promise<Dialled> {
  const link = await listener.accept(deadlineMs);
  const connect = await link.readConnect();
  link.sendJson("INFO", pooledInfo(name, { port: listener.port, ...fields }));
  const info = await link.readInfo();
  await link.roundTrip();
  const place = (info.route_account as string | undefined) ?? Number(info.route_pool_idx ?? 0);
  return { link, connect, info, place };
}
