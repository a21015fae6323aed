/**
 * Messages of other clusters in accounts of operator mode that nobody has asked for at this server, while a member of its cluster
 * wants them: they wait until the account is found, which is looked for when the first comes, as nats-server does.
 */
import type { Link, LinkClock, LinkMessage } from "../core/link.ts";

/** Longer than a resolver is waited for, mostly. */
const WAIT_MS = 3000;
/** What comes while so many bytes wait is lost. */
const BYTES_MAX = 4 * 1024 * 1024;
const MESSAGE_BYTES = 512;

export interface HeldArrival {
  readonly link: Link;
  readonly message: LinkMessage;
  readonly queues: readonly string[];
}

export class AwaitedAccounts {
  readonly #clock: Pick<LinkClock, "after">;
  readonly #find: (account: string) => void;
  /** By account, in the order they came. */
  readonly #held = new Map<string, HeldArrival[]>();
  #bytes = 0;

  /** `find` has an account looked for; nobody says that there is none. */
  constructor(clock: Pick<LinkClock, "after">, find: (account: string) => void) {
    this.#clock = clock;
    this.#find = find;
  }

  hold(arrival: HeldArrival): void {
    const { account } = arrival.message;
    const bytes = bytesOf(arrival);
    if (this.#bytes + bytes > BYTES_MAX) return;
    this.#bytes += bytes;
    const known = this.#held.get(account);
    if (known !== undefined) {
      known.push(arrival);
      return;
    }
    const held = [arrival];
    this.#held.set(account, held);
    this.#clock.after(WAIT_MS, () => {
      if (this.#held.get(account) === held) this.take(account);
    });
    this.#find(account);
  }

  /** What has waited for an account, which waits no more. */
  take(account: string): readonly HeldArrival[] {
    const held = this.#held.get(account) ?? [];
    this.#held.delete(account);
    for (const arrival of held) this.#bytes -= bytesOf(arrival);
    return held;
  }
}

function bytesOf({ message }: HeldArrival): number {
  return MESSAGE_BYTES + message.content.bytes.length;
}
