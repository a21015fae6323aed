/**
 * The requests that servers answer, by the last token of the subject: the options that each takes, and its answer,
 * which is one of monitoring's reports. Source: nats-server initEventTracking.
 */
import { accountz } from "../monitor/accountz.ts";
import { accstatz } from "../monitor/accstatz.ts";
import { connz } from "../monitor/connz.ts";
import { gatewayz } from "../monitor/gatewayz.ts";
import { formatDuration } from "../monitor/go_json.ts";
import { healthz, healthzReport } from "../monitor/healthz.ts";
import { ipqueuesz } from "../monitor/ipqueuesz.ts";
import { jsz } from "../monitor/jsz.ts";
import { leafz } from "../monitor/leafz.ts";
import type { Outcome } from "../monitor/outcome.ts";
import type { ConnectionState, SubscriptionListing } from "../monitor/parameters.ts";
import { routez } from "../monitor/routez.ts";
import type { MonitorSource } from "../monitor/source.ts";
import { subsz } from "../monitor/subsz.ts";
import { varz } from "../monitor/varz.ts";
import { goQuoteText } from "../protocol/go_quote.ts";
import { FILTER_FIELDS } from "./request_filter.ts";
import type { OptionFields, OptionStruct, RequestOptions } from "./request_options.ts";

export type Answer =
  | { readonly kind: "data"; readonly data: unknown }
  | { readonly kind: "failure"; readonly text: string }
  /** This server has nothing to say. */
  | { readonly kind: "silence" };

export interface Endpoint {
  readonly options: OptionStruct;
  answer(source: MonitorSource, options: RequestOptions): Promise<Answer>;
}

/** About one account, the one in the subject, whatever the body says. */
export interface AccountEndpoint {
  readonly options: OptionStruct;
  answer(source: MonitorSource, options: RequestOptions, account: string): Promise<Answer>;
}

/** The options of a request that takes only filters. */
export const FILTER_STRUCT: OptionStruct = { name: "EventFilterOptions", parts: { "": FILTER_FIELDS } };

/** Those of STATSZ, which is answered apart. */
export const STATSZ_STRUCT = structOf("StatszEventOptions");

const CONNZ_STRUCT = structOf("ConnzEventOptions", "ConnzOptions", {
  sort: "server.SortOpt",
  auth: "bool",
  subscriptions: "bool",
  subscriptions_detail: "bool",
  offset: "int",
  limit: "int",
  cid: "uint64",
  mqtt_client: "string",
  state: "server.ConnState",
  user: "string",
  acc: "string",
  filter_subject: "string",
});

const SUBSZ_STRUCT = structOf("SubszEventOptions", "SubszOptions", {
  offset: "int",
  limit: "int",
  subscriptions: "bool",
  account: "string",
  test: "string",
});

const LEAFZ_STRUCT = structOf("LeafzEventOptions", "LeafzOptions", {
  subscriptions: "bool",
  account: "string",
});

const JSZ_STRUCT = structOf("JszEventOptions", "JSzOptions", {
  account: "string",
  accounts: "bool",
  streams: "bool",
  consumer: "bool",
  direct_consumer: "bool",
  config: "bool",
  leader_only: "bool",
  offset: "int",
  limit: "int",
  raft: "bool",
  stream_leader_only: "bool",
});

const STATZ_STRUCT = structOf("AccountStatzEventOptions", "AccountStatzOptions", {
  accounts: "[]string",
  include_unused: "bool",
});

/** `$SYS.REQ.SERVER.<id>.<name>` and `$SYS.REQ.SERVER.PING.<name>`. */
export const SERVER_ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  VARZ: {
    options: structOf("VarzEventOptions"),
    answer: async (source) => data(await varz(source)),
  },
  SUBSZ: {
    options: SUBSZ_STRUCT,
    answer: async (source, options) =>
      fromOutcome(await answerSubsz(source, options, options.text("account"), false)),
  },
  CONNZ: {
    options: CONNZ_STRUCT,
    answer: async (source, options) => fromOutcome(await answerConnz(source, options, options.text("acc"))),
  },
  ROUTEZ: {
    options: structOf("RoutezEventOptions", "RoutezOptions", {
      subscriptions: "bool",
      subscriptions_detail: "bool",
    }),
    answer: async (source, options) => data(await routez(source, { subscriptions: listingOf(options) })),
  },
  GATEWAYZ: {
    options: structOf("GatewayzEventOptions", "GatewayzOptions", {
      name: "string",
      accounts: "bool",
      account_name: "string",
      subscriptions: "bool",
      subscriptions_detail: "bool",
    }),
    answer: async (source, options) =>
      data(
        await gatewayz(source, {
          gateway: options.text("name"),
          listsAccounts: options.boolean("accounts"),
          account: options.text("account_name"),
          subscriptions: listingOf(options),
        }),
      ),
  },
  LEAFZ: {
    options: LEAFZ_STRUCT,
    answer: (source, options) => answerLeafz(source, options, options.text("account")),
  },
  ACCOUNTZ: {
    options: structOf("AccountzEventOptions", "AccountzOptions", { account: "string" }),
    answer: async (source, options) => fromOutcome(await accountz(source, options.text("account"))),
  },
  JSZ: {
    options: JSZ_STRUCT,
    answer: async (source, options) => {
      const outcome = jsz(await source.server(), options.boolean("leader_only"));
      return outcome.ok ? data(outcome.report) : SILENCE;
    },
  },
  HEALTHZ: {
    options: structOf("HealthzEventOptions", "HealthzOptions", {
      "js-enabled": "bool",
      "js-enabled-only": "bool",
      "js-server-only": "bool",
      "js-meta-only": "bool",
      account: "string",
      stream: "string",
      consumer: "string",
      details: "bool",
    }),
    answer: async (source, options) => {
      const hasDetails = options.boolean("details");
      const [account, stream, consumer] = ["account", "stream", "consumer"].map((key) => options.text(key));
      const health = healthz(await source.health(), {
        hasDetails,
        account: account!,
        stream: stream!,
        consumer: consumer!,
      });
      return data(healthzReport(health, hasDetails, true));
    },
  },
  PROFILEZ: {
    options: structOf("ProfilezEventOptions", "ProfilezOptions", {
      name: "string",
      debug: "int",
      duration: "time.Duration",
    }),
    answer: async (_source, options) =>
      data({ profile: null, error: profileProblem(options.text("name"), options.integer("duration")) }),
  },
  EXPVARZ: {
    options: structOf("ExpvarzEventOptions"),
    answer: async (source) => {
      const { identity, resources } = await source.server();
      const { residentBytes, heapUsedBytes, heapReservedBytes } = resources;
      return data({
        memstats: { Sys: residentBytes, HeapAlloc: heapUsedBytes, HeapSys: heapReservedBytes },
        cmdline: identity.commandLine,
      });
    },
  },
  IPQUEUESZ: {
    options: structOf("IpqueueszEventOptions", "IpqueueszOptions", { all: "bool", filter: "string" }),
    answer: async (source, options) =>
      data(
        ipqueuesz(await source.queues(), {
          includesEmpty: options.boolean("all"),
          nameFilter: options.text("filter"),
        }),
      ),
  },
  RAFTZ: {
    options: structOf("RaftzEventOptions", "RaftzOptions", { account: "string", group: "string" }),
    answer: async () => data({}),
  },
};

/** `$SYS.REQ.ACCOUNT.<account>.<name>`. */
export const ACCOUNT_ENDPOINTS: Readonly<Record<string, AccountEndpoint>> = {
  SUBSZ: {
    options: SUBSZ_STRUCT,
    answer: async (source, options, account) =>
      fromOutcome(await answerSubsz(source, options, account, true)),
  },
  CONNZ: {
    options: CONNZ_STRUCT,
    answer: async (source, options, account) => fromOutcome(await answerConnz(source, options, account)),
  },
  LEAFZ: { options: LEAFZ_STRUCT, answer: answerLeafz },
  JSZ: {
    options: JSZ_STRUCT,
    answer: async () => ({ kind: "failure", text: "jetstream not enabled" }),
  },
  INFO: {
    options: structOf("AccInfoEventOptions"),
    answer: async (source, _options, account) => {
      const outcome = await accountz(source, account);
      if (!outcome.ok) return { kind: "failure", text: outcome.message };
      return data("account_detail" in outcome.report ? outcome.report.account_detail : null);
    },
  },
  STATZ: {
    options: STATZ_STRUCT,
    answer: async (source, options, account) =>
      // That subject is the one below.
      account === "PING" ? SILENCE : answerStatz(source, options, [account]),
  },
};

/** `$SYS.REQ.ACCOUNT.PING.STATZ`, the one request about all accounts. */
export const ALL_ACCOUNTS_STATZ: Endpoint = {
  options: STATZ_STRUCT,
  answer: (source, options) => answerStatz(source, options, options.texts("accounts")),
};

const SILENCE: Answer = { kind: "silence" };

function structOf(name: string, part?: string, fields?: OptionFields): OptionStruct {
  const own = part === undefined || fields === undefined ? {} : { [part]: fields };
  return { name, parts: { ...own, EventFilterOptions: FILTER_FIELDS } };
}

function data(report: unknown): Answer {
  return { kind: "data", data: report };
}

function fromOutcome(outcome: Outcome<unknown>): Answer {
  return outcome.ok ? data(outcome.report) : { kind: "failure", text: outcome.message };
}

function listingOf(options: RequestOptions): SubscriptionListing {
  if (options.boolean("subscriptions_detail")) return "detail";
  return options.boolean("subscriptions") ? "subjects" : "none";
}

/** Indexed by their numbers: unlike in a URL, states have no names here. */
const STATES: readonly ConnectionState[] = ["open", "closed", "all"];

function answerConnz(source: MonitorSource, options: RequestOptions, account: string) {
  return connz(source, {
    sort: options.text("sort"),
    showsCredentials: options.boolean("auth"),
    subscriptions: listingOf(options),
    offset: options.integer("offset"),
    limit: options.integer("limit"),
    id: options.integer("cid"),
    state: STATES[Number(options.integer("state"))] ?? "none",
    user: options.text("user"),
    account,
    mqttClient: options.text("mqtt_client"),
    subject: options.text("filter_subject"),
  });
}

function answerSubsz(source: MonitorSource, options: RequestOptions, account: string, isListed: boolean) {
  return subsz(source, {
    isListed: isListed || options.boolean("subscriptions"),
    offset: options.integer("offset"),
    limit: options.integer("limit"),
    testSubject: options.text("test"),
    account,
  });
}

async function answerLeafz(source: MonitorSource, options: RequestOptions, account: string): Promise<Answer> {
  return data(await leafz(source, { account, listsSubscriptions: options.boolean("subscriptions") }));
}

async function answerStatz(
  source: MonitorSource,
  options: RequestOptions,
  accounts: readonly string[],
): Promise<Answer> {
  const includesUnused = options.boolean("include_unused");
  const report = await accstatz(source, { includesUnused, accounts });
  return report.account_statz.length === 0 && !includesUnused ? SILENCE : data(report);
}

const PROFILE_NS_MAX = 15e9;

/** Why there is no profile: profiles are Go's, and this server has none. */
function profileProblem(name: string, durationNs: number | bigint): string {
  if (name === "") return "Profile name not specified";
  if (name !== "cpu") return `Profile ${goQuoteText(name)} not found`;
  const ns = Number(durationNs);
  if (ns > 0 && ns <= PROFILE_NS_MAX)
    return "Failed to start CPU profile: the runtime of this server has none";
  const text = ns < 0 ? `-${formatDuration(-ns)}` : formatDuration(ns);
  return `Duration ${text} should be between 0s and 15s`;
}
