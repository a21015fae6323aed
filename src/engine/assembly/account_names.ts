// Hot: the table of account names as links write them. The host fills it (`link/host/account_names.ts`).

import {
  ACCOUNT_NAME_LENGTH,
  ACCOUNT_NAME_SHIFT,
  ACCOUNT_NAME_SLOTS,
  ACCOUNT_NAME_TEXT,
  AREA_ACCOUNT_NAMES,
  CONNECTION_LAST_ACCOUNT,
} from "../../memory/layout";
import { area, hashSeed } from "./area";
import { equal, hashBytes } from "./bytes";

/**
 * Address of the slot that holds a name, 0 if none does. Most messages name the account of the connection's last one.
 */
export function accountSlot(connection: u32, name: u32, length: u32): u32 {
  const last = load<u32>(connection, CONNECTION_LAST_ACCOUNT);
  if (last != 0 && holdsName(last, name, length)) return last;
  const index = hashBytes(name, length, hashSeed) & (ACCOUNT_NAME_SLOTS - 1);
  const slot = load<u32>(area, AREA_ACCOUNT_NAMES) + (index << ACCOUNT_NAME_SHIFT);
  if (!holdsName(slot, name, length)) return 0;
  store<u32>(connection, slot, CONNECTION_LAST_ACCOUNT);
  return slot;
}

function holdsName(slot: u32, name: u32, length: u32): bool {
  return load<u32>(slot, ACCOUNT_NAME_LENGTH) == length && equal(slot + ACCOUNT_NAME_TEXT, name, length);
}
