// Hot: the plan cache. A plan answers "who gets a message on this subject" for one context, and holds while its four
// generation words stand still. Sets of four, so a lookup is bounded whatever subjects clients choose.

import {
  CONNECTION_CONTEXT,
  CONNECTION_LAST_PLAN,
  PLAN_CONTEXT,
  PLAN_GENERATIONS,
  PLAN_MORE_COUNT,
  PLAN_MORE_GENERATIONS,
  PLAN_SET_BYTES,
  PLAN_SET_COUNT,
  PLAN_SET_WAYS,
  PLAN_SUBJECT,
  PLAN_SUBJECT_LENGTH,
} from "../../memory/layout";
import { hashSeed, planSets } from "./area";
import { equal, hashBytes } from "./bytes";

/** The hash of the subject that planFor() found no plan for. */
export let lookedUpHash: u32 = 0;

/** The valid plan for a subject published by a connection, or 0. */
export function planFor(connection: u32, context: u32, subject: u32, length: u32): u32 {
  const last = load<u32>(connection, CONNECTION_LAST_PLAN);
  if (last != 0 && isFor(last, context, subject, length) && isValid(last)) return last;
  const hash = hashBytes(subject, length, hashSeed);
  lookedUpHash = hash;
  const set = planSets + (hash & (PLAN_SET_COUNT - 1)) * PLAN_SET_BYTES;
  for (let way: u32 = 0; way < <u32>PLAN_SET_WAYS; way++) {
    const slot = set + (way << 3);
    if (load<u32>(slot) != hash) continue;
    const plan = load<u32>(slot, 4);
    if (plan == 0 || !isFor(plan, context, subject, length)) continue;
    if (!isValid(plan)) return 0;
    store<u32>(connection, plan, CONNECTION_LAST_PLAN);
    return plan;
  }
  return 0;
}

function isFor(plan: u32, context: u32, subject: u32, length: u32): bool {
  return (
    load<u32>(plan, PLAN_SUBJECT_LENGTH) == length &&
    load<u32>(plan, PLAN_CONTEXT) == context &&
    equal(plan + PLAN_SUBJECT, subject, length)
  );
}

function isValid(plan: u32): bool {
  return (
    isUnchanged(plan + PLAN_GENERATIONS) &&
    isUnchanged(plan + PLAN_GENERATIONS + 8) &&
    isUnchanged(plan + PLAN_GENERATIONS + 16) &&
    isUnchanged(plan + PLAN_GENERATIONS + 24) &&
    areMoreUnchanged(plan)
  );
}

/** The generations of the accounts that import the message; most have none. */
function areMoreUnchanged(plan: u32): bool {
  let left = load<u32>(plan, PLAN_MORE_COUNT);
  if (left == 0) return true;
  let generation = load<u32>(plan, PLAN_MORE_GENERATIONS);
  for (; left != 0; left--) {
    if (!isUnchanged(generation)) return false;
    generation += 8;
  }
  return true;
}

/**
 * A plain load, once per message and generation: the word is aligned, so it is never torn, and a change is seen by the
 * next scan() at the latest. An atomic one costs JavaScriptCore 1 ns or more each.
 */
function isUnchanged(generation: u32): bool {
  return load<u32>(load<u32>(generation)) == load<u32>(generation, 4);
}
