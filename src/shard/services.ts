/**
 * Requests that cross into another account and their answers back. A request on an imported subject is delivered in
 * the exporting account under the subject there, with a reply subject of ours; what is published to that one goes
 * to the requestor. The shard of the requestor remembers the request: an answer published elsewhere is sent to it.
 *
 * Source: nats-server `processServiceImport`, `addRespServiceImport`, `processServiceImportReply`.
 */
import type { ServiceImport } from "../account/definition.ts";
import { type LatencyTrace, type ResponderInfo, latencyMessage, sampleRequest } from "../account/latency.ts";
import { ReplySubjects } from "../account/reply_subject.ts";
import { withoutRequestInfo, withRequestInfo } from "../account/request_info.ts";
import { MatchResult } from "../interest/match_result.ts";
import { CONTEXT_ACCOUNTS, CONTEXT_IS_RESPONSE, CONTEXT_IS_STREAMLESS } from "../memory/layout.ts";
import { subjectMatchesText } from "../subject/text.ts";
import type { AccountBook, Service, ShardAccount } from "./accounts.ts";
