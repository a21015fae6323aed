/** Other servers, spoken for byte by byte. */
import { until } from "./deadline.ts";
import { roundTripText } from "./embedded.ts";
import { RawClient } from "./raw_client.ts";

/** A peer whose handshake with a server is done that logs there; the cluster is called C. */
export async function connectPeer(
  kind: "leaf" | "route",
  log: readonly string[],
  name = "PEER",
  login: { readonly user?: string; readonly pass?: string } = {},
): Promise<RawClient> {
  const what = kind === "leaf" ? "leafnode" : "route";
  const listening = new RegExp(`Listening for ${what} connections on .*:(\\d+)`);
  const port = () => log.map((line) => listening.exec(line)?.[1]).find((found) => found !== undefined);
  await until(
    () => port() !== undefined,
    () => `the port of ${kind}s`,
  );
  const peer = await RawClient.open(Number(port()));
  await peer.readUntil("\r\n");
  const fields = { server_id: name, version: "2.15.2", headers: true };
  if (kind === "leaf")
    peer.send(`CONNECT ${JSON.stringify({ ...fields, ...login, name, cluster: name })}\r\n`);
  else {
    peer.send(`CONNECT ${JSON.stringify({ name, cluster: "C", headers: true, lnoc: true })}\r\n`);
    const info = {
      ...fields,
      server_name: name,
      cluster: "C",
      lnoc: true,
      lnocu: true,
      host: "::1",
      port: 1,
    };
    peer.send(`INFO ${JSON.stringify({ ...info, proto: 1, max_payload: 1 << 20 })} \r\n`);
  }
  await roundTripText(peer);
  return peer;
}
