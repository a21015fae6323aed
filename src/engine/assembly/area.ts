// The node that this instance works for. Each thread has an instance, so globals are the thread's own.

import {
  AREA_CONNECTIONS,
  AREA_DIRTY,
  AREA_HASH_SEED,
  AREA_LOOK_AT,
  AREA_MEMORY_BASE,
  AREA_OUT_MESSAGES,
  AREA_PICKS,
  AREA_PLAN_SLOTS,
  AREA_YOUNG_SUBJECTS,
  CONNECTION_SHIFT,
} from "../../memory/layout";

/** Address of the node's area; set once by attach(). */
export let area: u32 = 0;
export let connections: u32 = 0;
export let dirtyList: u32 = 0;
export let picks: u32 = 0;
export let planSets: u32 = 0;
export let memoryBase: u64 = 0;
export let hashSeed: u64 = 0;
/** Whether the node's connections are links. */
export let hasLinks: bool = false;

export function attachArea(address: u32): void {
  area = address;
  connections = load<u32>(address, AREA_CONNECTIONS);
  dirtyList = load<u32>(address, AREA_DIRTY);
  picks = load<u32>(address, AREA_PICKS);
  planSets = load<u32>(address, AREA_PLAN_SLOTS);
  memoryBase = load<u64>(address, AREA_MEMORY_BASE);
  hashSeed = load<u64>(address, AREA_HASH_SEED);
  hasLinks = load<u32>(address, AREA_YOUNG_SUBJECTS) != 0;
  // Far away, until the host sets it.
  store<u32>(address, load<u32>(address, AREA_OUT_MESSAGES) + 0x7fffffff, AREA_LOOK_AT);
}

/** Whether so many messages were delivered that the host should look at the clock. */
export function isLookDue(): bool {
  return <i32>(load<u32>(area, AREA_OUT_MESSAGES) - load<u32>(area, AREA_LOOK_AT)) >= 0;
}

export function connectionAt(slot: u32): u32 {
  return connections + (slot << CONNECTION_SHIFT);
}

export function slotOf(connection: u32): u32 {
  return (connection - connections) >> CONNECTION_SHIFT;
}
