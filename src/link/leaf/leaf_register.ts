import { BASE62_DIGITS } from "../../base/nuid.ts";
import type { LinkClock } from "../core/link.ts";
import type { LeafRegister, RegisteredLeaf } from "./leaf_context.ts";

/**
 * The loop subject is interest that travels like any other. A server that receives interest in its own has found a
 * loop.
 */
const LOOP_SUBJECT_PREFIX = "$LDS.";
const LOOP_SUBJECT_DIGITS = 22;

/** All leaf links of this server that are up, accepted and solicited. */
export class LeafLinks implements LeafRegister {
  readonly #clock: LinkClock;
  readonly #links = new Map<number, RegisteredLeaf>();
  readonly #loopSubjects = new Map<string, string>();
  readonly #remoteAccounts = new Map<string, string>();

  constructor(clock: LinkClock) {
    this.#clock = clock;
  }

  get count(): number {
    return this.#links.size;
  }

  /** Finds a link by the number of its connection. */
  byId(id: number): RegisteredLeaf | undefined {
    return this.#links.get(id);
  }

  /** The links of one account, or all of them. */
  of(account?: string): readonly RegisteredLeaf[] {
    const links = [...this.#links.values()];
    return account === undefined ? links : links.filter((link) => link.account === account);
  }

  loopSubject(account: string): string {
    const known = this.#loopSubjects.get(account);
    if (known !== undefined) return known;
    let subject = LOOP_SUBJECT_PREFIX;
    for (let i = 0; i < LOOP_SUBJECT_DIGITS; i++) {
      subject += BASE62_DIGITS[Math.floor(this.#clock.random() * BASE62_DIGITS.length)];
    }
    this.#loopSubjects.set(account, subject);
    return subject;
  }

  remoteAccountOf(account: string): string | undefined {
    return this.#remoteAccounts.get(account);
  }

  noteRemoteAccount(account: string, remoteAccount: string): void {
    this.#remoteAccounts.set(account, remoteAccount);
  }

  countOf(account: string): number {
    return this.of(account).length;
  }

  hasSpokeOf(account: string, cluster: string): boolean {
    return this.of(account).some(
      ({ facts }) => facts.cluster === cluster && !facts.isSpoke && !facts.isSolicited,
    );
  }

  findDuplicate(
    serverName: string,
    cluster: string,
    account: string,
    remoteAccount: string,
  ): RegisteredLeaf | null {
    // Without the name of the remote account, two connections of one server may both be intended.
    if (remoteAccount === "") return null;
    const isSame = ({ facts }: RegisteredLeaf) =>
      !facts.isSolicited &&
      facts.serverName === serverName &&
      facts.cluster === cluster &&
      facts.remoteAccount === remoteAccount;
    return this.of(account).find(isSame) ?? null;
  }

  add(link: RegisteredLeaf): void {
    this.#links.set(link.connection.id, link);
  }

  remove(link: RegisteredLeaf): void {
    this.#links.delete(link.connection.id);
  }
}
