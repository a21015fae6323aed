import { formatTime, omitEmpty, sortedRecord } from "./go_json.ts";
import { failed, type Outcome, succeeded } from "./outcome.ts";
import type {
  AccountClaimsSnapshot,
  AccountDetailSnapshot,
  ExportSnapshot,
  ImportSnapshot,
  LatencyOptions,
} from "./snapshots/accounts.ts";
import type { MonitorSource } from "./source.ts";
import { interestStatistics } from "./subsz.ts";

export type Accountz = Awaited<ReturnType<typeof list>> | Awaited<ReturnType<typeof detail>>;

/** All accounts by name, or everything about one. Source: nats-server `Accountz`, `accountInfo`. */
export async function accountz(source: MonitorSource, account = ""): Promise<Outcome<Accountz>> {
  if (account === "") return succeeded(await list(source));
  const snapshot = await source.account(account);
  if (snapshot === null) return failed(`Account ${account} does not exist`);
  return succeeded(await detail(source, snapshot));
}

async function list(source: MonitorSource) {
  const accounts = await source.accountNames();
  return { ...(await heading(source)), accounts };
}

async function detail(source: MonitorSource, account: AccountDetailSnapshot) {
  return { ...(await heading(source)), account_detail: accountDetail(account) };
}

async function heading(source: MonitorSource) {
  const { identity, nowMs } = await source.server();
  return {
    server_id: identity.id,
    now: formatTime(nowMs),
    system_account: omitEmpty(identity.systemAccount),
  };
}

function accountDetail(account: AccountDetailSnapshot) {
  const { claims } = account;
  return {
    account_name: account.name,
    update_time: formatTime(account.updateMs),
    is_system: omitEmpty(account.isSystem),
    expired: account.isExpired,
    complete: account.isComplete,
    jetstream_enabled: false,
    leafnode_connections: account.leafnodes,
    client_connections: account.clients,
    subscriptions: account.subscriptions,
    mappings: omitEmptyMap(account.mappings, (destinations) =>
      destinations.map(({ subject, weightPercent, cluster }) => ({
        subject,
        weight: weightPercent,
        cluster: omitEmpty(cluster),
      })),
    ),
    exports: omitEmpty(account.exports.map(exportReport)),
    imports: omitEmpty(account.imports.map((snapshot) => importReport(snapshot, snapshot.type))),
    jwt: omitEmpty(claims?.jwt),
    issuer_key: omitEmpty(claims?.issuerKey),
    name_tag: omitEmpty(account.nameTag),
    tags: omitEmpty(claims?.tags),
    ...claimsReport(claims),
    sublist_stats: interestStatistics(account.interest),
    // A service reply's type is the number of the JWT library's enumeration, not its name.
    responses: omitEmptyMap(account.responses, (snapshot) => importReport(snapshot, SERVICE_TYPE_NUMBER)),
  };
}

const SERVICE_TYPE_NUMBER = 2;

function claimsReport(claims: AccountClaimsSnapshot | null) {
  return {
    decoded_jwt: claims?.decoded ?? undefined,
    validation_result_jwt: omitEmpty(
      claims?.issues.map(({ description, isBlocking, isTimeCheck }) => ({
        description,
        blocking: isBlocking,
        time_check: isTimeCheck,
      })),
    ),
    revoked_user: claims === null ? undefined : omitEmptyMap(claims.revokedUsers, formatTime),
  };
}

function exportReport(snapshot: ExportSnapshot) {
  return {
    subject: snapshot.subject,
    type: snapshot.type,
    token_req: omitEmpty(snapshot.isTokenRequired),
    response_type: omitEmpty(snapshot.responseType),
    service_latency: latencyReport(snapshot.latency),
    approved_accounts: omitEmpty(snapshot.approvedAccounts),
    revoked_activations: omitEmptyMap(snapshot.revokedActivations, formatTime),
  };
}

function importReport(snapshot: ImportSnapshot, type: string | number) {
  return {
    subject: omitEmpty(snapshot.subject),
    account: omitEmpty(snapshot.account),
    to: snapshot.type === "service" ? omitEmpty(snapshot.localSubject) : undefined,
    local_subject: omitEmpty(snapshot.localSubject),
    type,
    invalid: snapshot.isInvalid,
    share: snapshot.isShared,
    tracking: snapshot.isTracked,
    latency: latencyReport(snapshot.latency),
  };
}

function latencyReport(latency: LatencyOptions | null) {
  return latency === null ? undefined : { sampling: latency.sampling, results: latency.resultSubject };
}

function omitEmptyMap<T, Shown>(
  map: ReadonlyMap<string, T>,
  show: (value: T) => Shown,
): Record<string, Shown> | undefined {
  if (map.size === 0) return undefined;
  return sortedRecord([...map].map(([key, value]) => [key, show(value)] as const));
}
