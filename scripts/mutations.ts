/** Ways to break the rules of links, one at a time. Each must make the simulator complain (`mutants.ts`). */

export interface Mutation {
  /** The rule that is broken. */
  readonly name: string;
  /** The edits that break it. Some rules stand in two places, each of which would be enough, so both are edited. */
  readonly edits: readonly Edit[];
}

export interface Edit {
  readonly file: string;
  /** A text that is in the file exactly once. */
  readonly from: string;
  readonly to: string;
}

const CORE = "src/link/core";
const ROUTE = "src/link/route";
const GATEWAY = "src/link/gateway";
const LEAF = "src/link/leaf";

export const MUTATIONS: readonly Mutation[] = [
  {
    name: "one-connection-an-account",
    edits: [
      {
        file: `${ROUTE}/route_link.ts`,
        from: "return this.#owner.accounts.indexOf(account) === this.poolIndex;",
        to: "return true;",
      },
    ],
  },
  {
    name: "pinned-apart",
    edits: [
      {
        file: `${ROUTE}/account_routes.ts`,
        from: "return this.#pinned.has(account) ? DEDICATED : poolIndexOf(account, this.poolSize);",
        to: "return poolIndexOf(account, this.poolSize);",
      },
    ],
  },
  {
    name: "one-hop",
    edits: [
      {
        file: `${CORE}/routing.ts`,
        from: 'if (to.kind !== "leaf") return false;',
        to: 'if (to.kind === "gateway") return false;',
      },
    ],
  },
  {
    name: "one-gateway",
    edits: [
      {
        file: `${CORE}/routing.ts`,
        from: 'return to.kind !== "gateway";',
        to: "return true;",
      },
    ],
  },
  {
    name: "no-echo",
    edits: [
      {
        file: `${CORE}/routing.ts`,
        from: 'if (isSamePeer(from, to) || to.role === "inbound") return false;',
        to: 'if (to.role === "inbound") return false;',
      },
    ],
  },
  {
    name: "no-echo-of-cluster",
    edits: [
      {
        file: `${CORE}/routing.ts`,
        from: 'to.kind === "leaf" && cluster !== "" && to.cluster === cluster && !isImported(origin, to);',
        to: "false as boolean;",
      },
      {
        file: `${CORE}/routing.ts`,
        from: 'return of !== "" && of === origin.cluster && !isImported(origin, link);',
        to: "return false;",
      },
    ],
  },
  {
    name: "hub-to-route",
    edits: [
      {
        file: `${CORE}/routing.ts`,
        from: 'if (to.kind === "route") return from.role === "spoke";',
        to: 'if (to.kind === "route") return true;',
      },
    ],
  },
  {
    name: "leafs-where-cluster-has-none",
    edits: [
      {
        file: `${CORE}/routing.ts`,
        from: "return draw(0, leafs, random) ?? nearest(",
        to: "return nearest(",
      },
    ],
  },
  {
    name: "gateways-where-nobody-else",
    edits: [
      {
        file: `${CORE}/routing.ts`,
        from: "return draw(0, leafs, random) ?? nearest(",
        to: "return draw(0, leafs, random) ?? (([]: readonly LinkInterest[]) => null)(",
      },
    ],
  },
  {
    name: "routes-are-told-of-leafs",
    edits: [
      {
        file: `${CORE}/ledger.ts`,
        from: 'case "both":\n      return from === null || (from.kind === "leaf" && from.role === "spoke");',
        to: 'case "both":\n      return from === null;',
      },
    ],
  },
  {
    name: "gateways-are-told-of-routes",
    edits: [
      {
        file: `${CORE}/ledger.ts`,
        from: 'from === null || from.kind === "route" || (from.kind',
        to: "from === null || (from.kind",
      },
    ],
  },
  {
    name: "hubs-are-not-told-of-routes",
    edits: [
      {
        file: `${CORE}/ledger.ts`,
        from: 'case "hub":\n      return from === null ||',
        to: 'case "hub":\n      return from === null || from.kind === "route" ||',
      },
    ],
  },
  {
    name: "leafs-are-told-of-gateways",
    edits: [
      {
        file: `${CORE}/ledger.ts`,
        from: 'if (leafCluster === "") return true;',
        to: 'if (leafCluster === "") return from.kind !== "gateway";',
      },
    ],
  },
  {
    name: "lost-links-want-nothing",
    edits: [
      {
        file: `${CORE}/ledger.ts`,
        from: "if (after !== before) this.#change(account, name, before, after);\n        }",
        to: "}",
      },
    ],
  },
  {
    name: "a-group-goes-once-to-a-member",
    edits: [
      {
        file: `${CORE}/link_core.ts`,
        from: "&& !served.has(link)",
        to: "&& (true || served.has(link))",
      },
    ],
  },
  {
    name: "a-group-is-bounced",
    edits: [
      {
        file: `${CORE}/routing.ts`,
        from: "routes.filter((wish) => !isBack(wish)),",
        to: "routes.filter(() => false),",
      },
    ],
  },
  {
    name: "reply-mapped",
    edits: [
      {
        file: `${GATEWAY}/reply_mapping.ts`,
        from: 'return reply !== "" && wasSubscribedLately(reply) ? this.prefix + reply : reply;',
        to: 'return reply !== "" && wasSubscribedLately(reply) ? reply : reply;',
      },
    ],
  },
  {
    name: "reply-stripped",
    edits: [
      {
        file: `${GATEWAY}/gateway_replies.ts`,
        from: "    return mapped.subject;",
        to: "    return reply;",
      },
    ],
  },
  {
    name: "reply-to-its-member",
    edits: [
      {
        file: `${GATEWAY}/reply_mapping.ts`,
        from: "const isOther = from",
        to: "const isOther = (false as boolean) && from",
      },
    ],
  },
  {
    name: "gateway-bracket",
    edits: [
      {
        file: `${GATEWAY}/inbound_gateway.ts`,
        from: "this.channel.send(start + lines + accountCommand(name, GATEWAY_COMMAND.allComplete, account));",
        to: "this.channel.send(start.slice(start.length) + lines);",
      },
    ],
  },
  {
    name: "one-route-for-each-place",
    edits: [
      {
        file: `${ROUTE}/route_members.ts`,
        from: "if (known !== undefined) return duplicate(known, route, true);",
        to: "if (known !== undefined && (false as boolean)) return duplicate(known, route, true);",
      },
    ],
  },
  {
    name: "route-gossip",
    edits: [
      {
        file: `${ROUTE}/route_mesh.ts`,
        from: "for (const other of this.members) if (other.remoteId !== route.remoteId) other.sendLine(line);",
        to: "",
      },
    ],
  },
  {
    name: "gateway-gossip",
    edits: [
      {
        file: `src/link/host/protocols.ts`,
        from: 'this.gateways?.takeRouteInfo(info, "");',
        to: "",
      },
    ],
  },
  {
    name: "routes-dial-again",
    edits: [
      {
        file: `${ROUTE}/route_dialler.ts`,
        from: "this.#later(attempt, isHasty ? spreadMs : RETRY_MS + spreadMs);",
        to: "this.#later(attempt, isHasty ? spreadMs : 1e9);",
      },
    ],
  },
  {
    name: "gateways-dial-again",
    edits: [
      {
        file: `${GATEWAY}/remote_gateway.ts`,
        from: 'if (this.#state !== "connected") return;',
        to: "if (this.#connectedMs >= 0) return;",
      },
    ],
  },
  {
    name: "leafs-dial-again",
    edits: [
      {
        file: `${LEAF}/leaf_remote.ts`,
        from: "this.#wait(this.#context.options.reconnectIntervalMs + this.#delayMs);",
        to: "this.#wait(1e9);",
      },
    ],
  },
  {
    name: "leaf-interest-is-taken-back",
    edits: [
      {
        file: `${LEAF}/leaf_interest.ts`,
        from: "this.#announced.delete(key);\n      this.#write(",
        to: "this.#announced.delete(key);\n      ((_line: string) => {})(",
      },
    ],
  },
  {
    name: "loops-are-found",
    edits: [
      {
        file: `${LEAF}/leaf_link.ts`,
        from: "if (subject === register.loopSubject(this.account)) {",
        to: 'if (subject === "") {',
      },
    ],
  },
  {
    name: "interest-outlives-its-entry",
    edits: [
      {
        file: "src/link/host/local_wishes.ts",
        from: "const now = isMoved ? moved.groups : NOTHING;",
        to: "const now = NOTHING;",
      },
    ],
  },
  {
    name: "interest-ends",
    edits: [
      {
        file: "src/link/host/local_wishes.ts",
        from: "if (!now.has(queue)) this.#want(account, subject, queue, 0);",
        to: "",
      },
    ],
  },
  {
    name: "who-was-dialled-answers-compressed",
    edits: [
      {
        file: `${CORE}/compression.ts`,
        from: "if (dialled) sendInfo();",
        to: "sendInfo();",
      },
      {
        file: `${CORE}/compression.ts`,
        from: "if (!dialled) sendInfo();",
        to: "",
      },
    ],
  },
];

/** The source after one edit. */
export function applyEdit(source: string, { file, from, to }: Edit): string {
  const [before, after, ...more] = source.split(from);
  if (before === undefined || after === undefined || more.length > 0) {
    throw new Error(`${JSON.stringify(from)} must stand in ${file} exactly once`);
  }
  return before + to + after;
}
