/**
 * What services are told about who asks them, as the header of requests. Worked out once for a client and an import.
 */
import type { AppliedServiceImport } from "../../account/applied_imports.ts";
import type { ClientInfo, ServerPlace } from "../../account/client_info.ts";
import {
  disclosed,
  encodeRequestInfo,
  firstHop,
  nextHop,
  nextHopOfLeaf,
  REQUEST_INFO_HEADER,
  type RequestInfo,
} from "../../account/request_info.ts";
import { headerBlock } from "../../protocol/set_header.ts";
import type { ShardAccount } from "../accounts.ts";
import { detailsForServices } from "../client/client_details.ts";
import type { Connection } from "../connection.ts";
import type { ShardContext } from "../context.ts";

/** What a request tells about its requestor. */
export interface Told {
  readonly info: RequestInfo;
  readonly header: string;
  /** The header block of a request that has no other headers. */
  readonly block: Uint8Array;
}

/** What a client's requests tell at the first hop; it holds while the client's values below stay the same. */
interface ToldOfClient extends Told {
  readonly login: Connection["login"];
  readonly options: Connection["options"];
  readonly rttMs: number;
  readonly otherClusters: readonly string[];
}

type DisclosingShard = Pick<ShardContext, "info" | "options" | "otherClusters">;

export class Disclosures {
  readonly #shard: DisclosingShard;
  readonly #ofClients = new WeakMap<AppliedServiceImport, WeakMap<Connection, ToldOfClient>>();

  constructor(shard: DisclosingShard) {
    this.#shard = shard;
  }

  /**
   * What a service is told through an import of `importer`'s. `connection` is null for the server itself. `before` is
   * what the previous hop told, null at the first.
   */
  of(
    connection: Connection | null,
    importer: ShardAccount,
    service: AppliedServiceImport,
    before: RequestInfo | null,
  ): Told {
    const { definition } = service;
    if (before !== null) return toldBy(this.#nextHop(connection, importer.name, definition, before));
    if (connection === null) {
      return toldBy(firstHop({ account: importer.name }, this.#place(null), definition));
    }
    const byConnection = this.#ofClients.getOrInsertComputed(service, () => new WeakMap());
    const known = byConnection.get(connection);
    const { login, options, rttMs } = connection;
    const { otherClusters } = this.#shard;
    if (
      known?.login === login &&
      known.options === options &&
      known.rttMs === rttMs &&
      known.otherClusters === otherClusters
    )
      return known;
    const details = detailsForServices(connection, this.#shard.info.serverName);
    const header = toldBy(firstHop(details, this.#place(connection), definition));
    const told = { ...header, login, options, rttMs, otherClusters };
    byConnection.set(connection, told);
    return told;
  }

  /**
   * What the latency of a request tells about its requestor. `service` is the import that the request came by, at the
   * first hop or further on. Only that import decides, whatever the previous ones disclosed. Source: nats-server
   * sendTrackingLatency.
   */
  requestor(connection: Connection, { definition }: AppliedServiceImport): ClientInfo {
    const details = detailsForServices(connection, this.#shard.info.serverName);
    return disclosed(details, this.#place(connection), definition.share);
  }

  #nextHop(
    connection: Connection | null,
    middle: string,
    definition: AppliedServiceImport["definition"],
    before: RequestInfo,
  ): RequestInfo {
    const place = this.#place(connection);
    if (connection === null || !connection.isLink) return nextHop(before, middle, place, definition);
    const details = detailsForServices(connection, this.#shard.info.serverName);
    return nextHopOfLeaf(before, details, middle, place, definition);
  }

  /** What the latency of a request tells about its responder. */
  responder(connection: Connection): ClientInfo {
    return { ...detailsForServices(connection, this.#shard.info.serverName), ...this.#place(connection) };
  }

  /** Where a client is. A leaf node's link is on the server at its other end. */
  #place(connection: Connection | null): ServerPlace {
    const { info, options, otherClusters } = this.#shard;
    const { clusterName } = options;
    const server = connection?.leafDetails?.server ?? info.serverName;
    const ofCluster = clusterName === undefined ? {} : { cluster: clusterName };
    return { server, ...ofCluster, alternates: otherClusters };
  }
}

function toldBy(info: RequestInfo): Told {
  const header = encodeRequestInfo(info);
  return { info, header, block: headerBlock(REQUEST_INFO_HEADER, header) };
}
