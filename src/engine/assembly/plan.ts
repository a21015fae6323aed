// Hot: the plan cache. A plan answers "who gets a message on this subject" for one context. It holds while its
// generation words stand still: four, and more if other accounts import the message. Plans are found in sets of eight,
// so a lookup is bounded whatever subjects clients choose.

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

/** The hash of the last subject that planFor() looked up in a set, of one without a plan in any case. */
export let lookedUpHash: u32 = 0;

/** The valid plan for a subject that a connection publishes to under `context`, or 0. */
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

/** The same for the generations of accounts that import the message. Most plans have none. */
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
 * Loads the word plainly, once per message and generation. The word is aligned, so it is never torn, and a change is
 * seen by the next scan() at the latest. An atomic load costs JavaScriptCore 1 ns or more.
 */
function isUnchanged(generation: u32): bool {
  return load<u32>(load<u32>(generation)) == load<u32>(generation, 4);
}
