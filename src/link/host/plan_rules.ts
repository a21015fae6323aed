/**
 * What plans of the links shard say: for plain interest which links get a message, by how it came here; everything else is
 * for the host. Once per cache miss.
 */
import type { MatchResult } from "../../interest/match_result.ts";
import {
  CONTEXT_ACCOUNTS,
  CONTEXT_FROM_GATEWAY,
  CONTEXT_FROM_ROUTE,
  PLAN_IS_FOR_HOST,
  PLAN_QUEUES_ARE_FOR_HOST,
  PLAN_REPLIES_ARE_FOR_HOST,
} from "../../memory/layout.ts";
import type { Connection } from "../../shard/connection.ts";
import type { Contexts } from "../../shard/contexts.ts";
import type { PlanRules, Resolution } from "../../shard/plan_cache.ts";
import { byteStringOf } from "../../subject/byte_string.ts";
import type { Link } from "../core/link.ts";
import type { LinkCore } from "../core/link_core.ts";
import { LOCAL_ORIGIN, type Origin } from "../core/routing.ts";

/** Set beside a slot: what the leaf node or hub of that connection sends. */
export const CONTEXT_FROM_LEAF = 1 << 30;
