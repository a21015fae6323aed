/**
 * Counts of each account's connections over all shards. Cold: limits and monitoring read them, and the counts of dead
 * shards are given back.
 */
import { CONNECTION_ACCOUNT } from "../memory/layout.ts";
import { accountWord } from "../memory/map.ts";
import type { SharedMemory } from "../memory/shared_memory.ts";
import type { Connection } from "./connection.ts";

/**
 * Counts a connection in the account of that id, and in no other. Returns how many connections the account then has.
 */
export function countIn(shared: SharedMemory, connection: Connection, id: number): number {
  countOut(shared, connection);
  const { words, map } = shared;
  const count = Atomics.add(words, accountWord(map, id), 1) + 1;
  connection.countedIn = id;
  words[(connection.address + CONNECTION_ACCOUNT) >> 2] = id;
  return count;
}

/** Counts a connection in no account any more. */
export function countOut({ words, map }: SharedMemory, connection: Connection): void {
  if (connection.countedIn === 0) return;
  Atomics.sub(words, accountWord(map, connection.countedIn), 1);
  connection.countedIn = 0;
  words[(connection.address + CONNECTION_ACCOUNT) >> 2] = 0;
}
