import type { LinkOperation } from "../core/operation.ts";

/** More than any server sends before it may. */
const COUNT_MAX = 10_000;
const CONTENT_BYTES_MAX = 4 * 1024 * 1024;

/** What a peer sends between CONNECT and the moment the link is up: taken then, in order. */
export class EarlyOperations {
  #operations: LinkOperation[] = [];
  #contentBytes = 0;

  /** False if there is no room: the peer is not one to wait for. */
  add(operation: LinkOperation): boolean {
    if (operation.kind === "message") this.#contentBytes += operation.content.bytes.length;
    if (this.#operations.length >= COUNT_MAX || this.#contentBytes > CONTENT_BYTES_MAX) return false;
    this.#operations.push(operation);
    return true;
  }

  takeAll(): readonly LinkOperation[] {
    const operations = this.#operations;
    this.#operations = [];
    return operations;
  }
}
