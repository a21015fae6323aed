import { Buffer } from "node:buffer";
import { ANY_CLUSTER, type InterestKey } from "../core/link.ts";

/** The forms of leaf nodes' interest that the peer understands, as its INFO says. */
export interface InterestAbilities {
  /** `LS+` and `LMSG` with an origin. */
  readonly lnoc: boolean;
  /** `LS-` with an origin. */
  readonly lnocu: boolean;
  /** The origin ANY_CLUSTER. */
  readonly ln: boolean;
}

/**
 * Writes interest as lines for one peer, in the forms that it understands.
 *
 * A peer whose `LS-` knows no origin stores interest with different origins under one name. For such a peer the origins
 * are added up here, and the interest is taken back when the sum is 0. nats-server 2.15 does not add up, and makes 2.9
 * forget interest that still exists.
 */
export class InterestLines {
  readonly #abilities: InterestAbilities;
  readonly #namesAccount: boolean;
  /** The members by origin of everything that the peer stores under one name with other origins. */
  readonly #shared = new Map<string, Map<string, number>>();

  /** `namesAccount` is false for a connection that is for one account alone. */
  constructor(abilities: InterestAbilities, namesAccount: boolean) {
    this.#abilities = abilities;
    this.#namesAccount = namesAccount;
  }

  /** The line to send now that the weight has become `weight`; "" for nothing. */
  change(key: InterestKey, weight: number): string {
    if (!this.isShared(key)) return this.line(key, weight);
    const name = this.#nameOf(key);
    const members = this.#shared.get(name) ?? new Map<string, number>();
    const before = sumOf(members);
    if (weight === 0) members.delete(key.origin);
    else members.set(key.origin, weight);
    const after = sumOf(members);
    if (members.size === 0) this.#shared.delete(name);
    else this.#shared.set(name, members);
    if (key.queue === "" ? before > 0 === after > 0 : before === after) return "";
    return this.line(this.#asFiled(key, members), after);
  }

  /** The line for this interest alone, whatever was sent before. */
  line({ account, subject, queue, origin }: InterestKey, weight: number): string {
    const spoken = this.#spokenOrigin(origin);
    const group = queue === "" ? "" : weight > 0 ? ` ${queue} ${weight}` : ` ${queue}`;
    const sign = weight > 0 ? "+" : "-";
    const ofAccount = this.#namesAccount ? `${account} ` : "";
    if (spoken === "") return `RS${sign} ${ofAccount}${subject}${group}\r\n`;
    const named = weight > 0 || this.#abilities.lnocu ? `${spoken} ` : "";
    return `LS${sign} ${named}${ofAccount}${subject}${group}\r\n`;
  }

  /** The lines for plain interest without origin in many subjects; null if they have to be sent one by one. */
  ofPlain(account: string, subjects: readonly string[]): Uint8Array | null {
    if (this.isShared({ origin: "" })) return null;
    const start = this.#namesAccount ? `RS+ ${account} ` : "RS+ ";
    return Buffer.from(`${start}${subjects.join(`\r\n${start}`)}\r\n`, "latin1");
  }

  /** Whether the peer stores this interest under a name that other origins share. */
  isShared({ origin }: Pick<InterestKey, "origin">): boolean {
    const { lnocu, ln } = this.#abilities;
    return !(lnocu && (ln || (origin !== "" && origin !== ANY_CLUSTER)));
  }

  /** Forgets what was sent about an account. */
  forgetAccount(account: string): void {
    for (const name of [...this.#shared.keys()])
      if (name.startsWith(`${account} `)) this.#shared.delete(name);
  }

  /** All interest whose names are shared, with its current weights, for sending it again. */
  *shared(): Iterable<{ readonly key: InterestKey; readonly weight: number }> {
    for (const [name, members] of this.#shared) {
      const [account, subject, queue] = name.split(" ") as [string, string, string];
      const key = this.#asFiled({ account, subject, queue, origin: "" }, members);
      yield { key, weight: sumOf(members) };
    }
  }

  #nameOf({ account, subject, queue }: InterestKey): string {
    return `${account} ${subject} ${queue}`;
  }

  /** The key under which interest is sent: with its origin if it comes from one leaf cluster alone, else without. */
  #asFiled(key: InterestKey, members: ReadonlyMap<string, number>): InterestKey {
    const [origin = key.origin] = members.keys();
    return { ...key, origin: members.size > 1 ? "" : origin };
  }

  #spokenOrigin(origin: string): string {
    if (!this.#abilities.lnoc) return "";
    return origin === ANY_CLUSTER && !this.#abilities.ln ? "" : origin;
  }
}

function sumOf(members: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const weight of members.values()) sum += weight;
  return sum;
}
