/** Tells main of leaf links that come, go or are refused, for events of their accounts and for monitoring. */
import type { ClientInfo } from "../../account/client_info.ts";
import type { LoginRefusal } from "../../auth/login.ts";
import { type CloseReason, closeReasonEntry } from "../../protocol/close_reason.ts";
import type { LinkShard } from "../../shard/links/link_host.ts";
import type { LinksNews } from "../../shard/links/links_setup.ts";
import { textOf } from "../../subject/byte_string.ts";
import type { LinkConnection } from "../core/link.ts";
import type { LeafNotices } from "../leaf/leaf_context.ts";
import type { FailedLeaf, LeafReport } from "../leaf/leaf_report.ts";
import type { LinkConnections } from "./connections.ts";
import type { HostLink } from "./host_link.ts";
import { leafInfoOf, refusedInfo, requestorOf } from "./leaf_client_info.ts";
import type { LinkReports } from "./link_reports.ts";

export class LeafEvents implements LeafNotices {
  readonly #shard: LinkShard;
  readonly #connections: LinkConnections;
  readonly #reports: LinkReports;

  constructor(shard: LinkShard, connections: LinkConnections, reports: LinkReports) {
    this.#shard = shard;
    this.#connections = connections;
    this.#reports = reports;
  }

  opened(report: LeafReport, announces: boolean): void {
    const { connection } = this.#connections.byId(report.id);
    connection.leafDetails = requestorOf(report, connection.startMs);
    this.#tell({ type: "leafOpened", leaf: this.#infoOf(report), announces });
  }

  closed(report: LeafReport, reason: CloseReason): void {
    const record = this.#reports.noteLeafEnd(report);
    const { text } = closeReasonEntry(reason);
    const leaf = { ...this.#infoOf(report), stoppedAtMs: this.#shard.wallMs() };
    this.#tell({ type: "leafClosed", leaf, record, reason: text });
  }

  failed(leaf: FailedLeaf, reason: CloseReason): void {
    const { text } = closeReasonEntry(reason);
    this.#tell({ type: "leafFailed", record: this.#reports.failedLeaf(leaf), reason: text });
  }

  refused(
    connection: LinkConnection,
    { user, eventReason }: LoginRefusal,
    { name, version }: { readonly name: string; readonly version: string },
  ): void {
    const { startMs } = (connection as HostLink).connection;
    const leaf = refusedInfo(connection, { user, name, version, startedAtMs: startMs });
    this.#tell({ type: "leafRefused", leaf, reason: eventReason });
  }

  accountConnected(account: string): void {
    this.#tell({ type: "leafConnected", account: textOf(account) });
  }

  #infoOf(report: LeafReport): ClientInfo {
    const { startMs, account } = this.#connections.byId(report.id).connection;
    return leafInfoOf(report, startMs, account.definition.nameTag ?? account.name);
  }

  #tell(news: LinksNews): void {
    this.#shard.report({ type: "links", news });
  }
}
