import type { LinkOperation } from "../core/operation.ts";

/** More than any server sends that early. */
const COUNT_MAX = 10_000;
const BYTES_MAX = 4 * 1024 * 1024;

/** Operations that a peer sends between CONNECT and the moment the link is up; they are taken then, in order. */
export class EarlyOperations {
  #operations: LinkOperation[] = [];
  #bytes = 0;

  /** Keeps an operation. Returns false if there is no room, which no well-behaved peer causes. */
  add(operation: LinkOperation): boolean {
    this.#bytes += bytesOf(operation);
    if (this.#operations.length >= COUNT_MAX || this.#bytes > BYTES_MAX) return false;
    this.#operations.push(operation);
    return true;
  }

  takeAll(): readonly LinkOperation[] {
    const operations = this.#operations;
    this.#operations = [];
    return operations;
  }
}

/** The bytes of an operation that its peer determines. */
function bytesOf(operation: LinkOperation): number {
  switch (operation.kind) {
    case "info":
    case "connect":
      return operation.json.length;
    case "error":
      return operation.text.length;
    case "subscribe":
    case "unsubscribe":
      return operation.subject.length + operation.queue.length;
    case "message": {
      const { subject, reply, queues, content } = operation;
      return queues.reduce(
        (sum, queue) => sum + queue.length,
        subject.length + reply.length + content.bytes.length,
      );
    }
    default:
      return 0;
  }
}
