/** Makes the subscriptions of a shard's clients targets of plans: `HMSG <subject> <sid> `. Hot: once per miss. */
import type { InterestIndex } from "../../interest/interest_index.ts";
import { NO_SUBSCRIPTION, type SubscriptionTable } from "../interest/subscription_table.ts";
import type { Leg } from "./plan_match.ts";
import { type GroupMembers, NO_ROOM, type TargetRules, type TargetWriter } from "./plan_rules.ts";
import type { QueueGroups } from "./queue_groups.ts";

const SPACE = 0x20;
const HMSG = [0x48, 0x4d, 0x53, 0x47, SPACE] as const;

export class ClientTargets implements TargetRules, GroupMembers {
  readonly #bytes: Uint8Array;
  readonly #index: InterestIndex;
  readonly #table: SubscriptionTable;
  readonly members = this;
  /** Where writePlain() stopped: the index of the entry in the match, and the record. */
  #entry = 0;
  #record = NO_SUBSCRIPTION;

  /** `bytes` is the shared memory. */
  constructor(bytes: Uint8Array, index: InterestIndex, table: SubscriptionTable) {
    this.#bytes = bytes;
    this.#index = index;
    this.#table = table;
  }

  flagsOf(): number {
    return 0;
  }

  writePlain(leg: Leg, _context: number, from: number, targets: TargetWriter): boolean {
    const table = this.#table;
    const { entryIds, entryCount } = leg.match;
    let first = from === 0 ? NO_SUBSCRIPTION : this.#record;
    for (let entry = from === 0 ? 0 : this.#entry; entry < entryCount; entry++) {
      let record = first === NO_SUBSCRIPTION ? table.firstOfEntry(entryIds[entry]!) : first;
      first = NO_SUBSCRIPTION;
      for (; record !== NO_SUBSCRIPTION; record = table.nextOfEntry(record)) {
        if (table.queueOf(record) !== 0 || !this.#mayTake(record, leg)) continue;
        if (this.write(leg, record, targets)) continue;
        this.#entry = entry;
        this.#record = record;
        return false;
      }
    }
    return true;
  }

  find(leg: Leg, groups: QueueGroups): void {
    const table = this.#table;
    const { entryIds, entryCount } = leg.match;
    for (let i = 0; i < entryCount; i++) {
      let record = table.firstOfEntry(entryIds[i]!);
      for (; record !== NO_SUBSCRIPTION; record = table.nextOfEntry(record)) {
        const queue = table.queueOf(record);
        if (queue !== 0 && this.#mayTake(record, leg)) groups.addLocal(queue - 1, record, leg);
      }
    }
  }

  /** Writes the target of one subscription. */
  write(leg: Leg, record: number, targets: TargetWriter): boolean {
    const bytes = this.#bytes;
    const table = this.#table;
    const { shownAt: subject, shownLength: length } = leg;
    const prefixLength = HMSG.length + length + 1 + table.sidLength(record) + 1;
    let to = targets.add(table.connectionOf(record), record, prefixLength);
    if (to === NO_ROOM) return false;
    for (let i = 0; i < HMSG.length; i++) bytes[to++] = HMSG[i]!;
    for (let i = 0; i < length; i++) bytes[to++] = bytes[subject + i]!;
    bytes[to++] = SPACE;
    to = table.writeSid(record, bytes, to);
    bytes[to] = SPACE;
    return true;
  }

  /**
   * Whether a subscription may be sent the subject of a leg. For subscriptions on other nodes the index has already
   * decided that.
   */
  #mayTake(record: number, { bytes, start, length }: Leg): boolean {
    const filter = this.#table.filterOf(record);
    return filter === 0 || !this.#index.isHeldBack(filter, bytes ?? this.#bytes, start, start + length);
  }
}
