/**
 * The slots of a shard's connections. A slot is a place in `connections`, a record in the shared memory and a number
 * for the poller. It is taken when a peer connects and free again when the socket is gone.
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
  /**
   * The connections by slot: null if the slot is free or holds something that is no connection yet. Slot 0 is never a
   * connection.
   */
  readonly connections: (Connection | null)[] = [null];
  readonly #shared: SharedMemory;
  readonly #node: number;
  readonly #free: number[] = [];

  constructor(shared: SharedMemory, node: number) {
    this.#shared = shared;
    this.#node = node;
  }

  /** Address of a slot's record. */
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

  /** Takes a free slot with a fresh record for the connection of this socket; null if there is no socket yet. */
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

  /** Marks whether the slot's connection is still waiting for its upgrade and is no client yet. */
  markUpgrading(slot: number, isUpgrading: boolean): void {
    const flags = (this.addressOf(slot) + CONNECTION_FLAGS) >> 2;
    this.#shared.words[flags] = isUpgrading ? CONNECTION_IS_UPGRADING : 0;
  }

  put(connection: Connection): void {
    this.connections[connection.slot] = connection;
    Atomics.store(this.#shared.words, (connection.address + CONNECTION_CLIENT) >> 2, connection.clientId);
  }

  /** Notes the socket of a slot that was taken without one: main closes it if this thread dies. */
  ownSocket(slot: number, fd: number): void {
    this.#shared.words[(this.addressOf(slot) + CONNECTION_FD) >> 2] = fd;
  }

  /** The socket is no longer this thread's, or is about to be closed: main is not to close it. */
  disownSocket(slot: number): void {
    this.#shared.words[(this.addressOf(slot) + CONNECTION_FD) >> 2] = -1;
  }

  /** Frees the slot, and counts one connection less for the shard. */
  release(slot: number): void {
    this.connections[slot] = null;
    this.#free.push(slot);
    this.countOff(this.#node);
  }

  /** Counts one more link of the links shard. Returns false if the links shard has no slot for it. */
  reserveLink(linksNode: number): boolean {
    const load = nodeWord(linksNode, NODE_LOAD);
    // The acceptor may be counting another connection at this very moment: the last slot is reserved for that.
    const isFull = Atomics.add(this.#shared.words, load, 1) >= this.#shared.map.slotCount(linksNode) - 2;
    if (isFull) this.countOff(linksNode);
    return !isFull;
  }

  /** Counts one connection less for a node, which may be this shard's. */
  countOff(node: number): void {
    Atomics.sub(this.#shared.words, nodeWord(node, NODE_LOAD), 1);
  }
}

/** The descriptor that main closes if this thread dies; −1 if the runtime does that. */
function fdOf(source: StreamSource): number {
  if (typeof source === "number") return source;
  return "fd" in source ? source.fd : -1;
}
