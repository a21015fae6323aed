/** Which servers are to answer a request; the others stay silent. Source: nats-server filterRequest. */
import type { ServerIdentity } from "../protocol/server_object.ts";
import type { OptionFields, RequestOptions } from "./request_options.ts";

/** In the body of every request, beside the request's own options. */
export const FILTER_FIELDS: OptionFields = {
  server_name: "string",
  cluster: "string",
  host: "string",
  exact_match: "bool",
  tags: "[]string",
  domain: "string",
};

/** Whether a server with this identity is to answer. */
export function isMeant({ name, cluster, host, tags }: ServerIdentity, options: RequestOptions): boolean {
  const isExact = options.boolean("exact_match");
  const matches = (key: string, own: string) => {
    const wanted = options.text(key);
    return wanted === "" || (isExact ? own === wanted : own.includes(wanted));
  };
  return (
    matches("server_name", name) &&
    matches("host", host) &&
    matches("cluster", cluster) &&
    options.texts("tags").every((tag) => tags.includes(tag.trim().toLowerCase())) &&
    // Domains are JetStream's.
    options.text("domain") === ""
  );
}
