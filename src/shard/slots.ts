/**
 * The slots of a shard's connections. A slot is a place in `connections`, a record in the shared memory and a number to the
 * poller; it is taken when somebody connects and free again when the socket is gone.
 */
import { assert } from "../base/assert.ts";
import {
  CONNECTION_BYTES,
  CONNECTION_CLIENT,
  CONNECTION_FD,
  CONNECTION_FLAGS,
  CONNECTION_IS_UPGRADING,
} from "../memory/layout.ts";
import { NODE_LOAD } from "../memory/map.ts";
import { nodeWord, type SharedMemory } from "../memory/shared_memory.ts";
import type { StreamSource } from "../runtime/poller.ts";
import type { Connection } from "./connection.ts";

export class Slots {
  /** By slot: null where it is free, or holds what is no connection yet. Slot 0 is never one. */
  readonly connections: (Connection | null)[] = [null];
  readonly #shared: SharedMemory;
  readonly #node: number;
  readonly #free: number[] = [];

  constructor(shared: SharedMemory, node: number) {
    this.#shared = shared;
    this.#node = node;
  }

  /** Of a slot's record. */
  addressOf(slot: number): number {
    return this.#shared.map.area(this.#node).connections + slot * CONNECTION_BYTES;
  }

  /** The connection whose record is at an address. */
  connectionAt(address: number): Connection | null {
    const slot = (address - this.#shared.map.area(this.#node).connections) / CONNECTION_BYTES;
    return this.connections[slot] ?? null;
  }

  get isFull(): boolean {
    return this.#free.length === 0 && this.connections.length >= this.#shared.map.slotCount(this.#node);
  }

  /** A free slot, with a fresh record for whoever has this socket; null for none yet. */
  take(source: StreamSource | null): number {
    const slot = this.#free.pop() ?? this.connections.length;
    const { words, map } = this.#shared;
    assert(slot < map.slotCount(this.#node), "connections go to shards with room");
    const address = this.addressOf(slot);
    words.fill(0, address >> 2, (address + CONNECTION_BYTES) >> 2);
    words[(address + CONNECTION_FD) >> 2] = source === null ? -1 : fdOf(source);
    this.connections[slot] ??= null;
    return slot;
  }

  /** Whoever has the slot is no client yet, or is one now. */
  markUpgrading(slot: number, isUpgrading: boolean): void {
    const flags = (this.addressOf(slot) + CONNECTION_FLAGS) >> 2;
    this.#shared.words[flags] = isUpgrading ? CONNECTION_IS_UPGRADING : 0;
  }

  put(connection: Connection): void {
    this.connections[connection.slot] = connection;
    Atomics.store(this.#shared.words, (connection.address + CONNECTION_CLIENT) >> 2, connection.clientId);
  }

  /** The socket of a slot that was taken without one: main is to close it, should this thread die. */
  ownSocket(slot: number, fd: number): void {
    this.#shared.words[(this.addressOf(slot) + CONNECTION_FD) >> 2] = fd;
  }

  /** The socket is this thread's to close no more, or about to be closed: main is not to close it. */
  disownSocket(slot: number): void {
    this.#shared.words[(this.addressOf(slot) + CONNECTION_FD) >> 2] = -1;
  }

  /** The slot is free, and the shard has one connection fewer. */
  release(slot: number): void {
    this.connections[slot] = null;
    this.#free.push(slot);
    this.countOff(this.#node);
  }

  /** Counts one more link of the links shard; false where it takes none. */
  reserveLink(linksNode: number): boolean {
    const load = nodeWord(linksNode, NODE_LOAD);
    // The acceptor may be counting one more at this very moment: the last slot is for that.
    const isFull = Atomics.add(this.#shared.words, load, 1) >= this.#shared.map.slotCount(linksNode) - 2;
    if (isFull) this.countOff(linksNode);
    return !isFull;
  }

  /** A node, of which this shard's is one, has a connection fewer. */
  countOff(node: number): void {
    Atomics.sub(this.#shared.words, nodeWord(node, NODE_LOAD), 1);
  }
}

/** The descriptor that main closes should this thread die; -1 where the runtime does. */
function fdOf(source: StreamSource): number {
  if (typeof source === "number") return source;
  return "fd" in source ? source.fd : -1;
}
