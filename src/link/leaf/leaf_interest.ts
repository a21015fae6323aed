/**
 * The interest that one leaf link has announced: what the ledger tells, and what its account always wants. There is one
 * line for each subject and queue group, whoever wants it. Source: leafnodes.md 4.1; nats-server leafnode.go,
 * updateSmap.
 */

/** Weights by the cluster whose interest it is; the peer is told their sum. */
type Shares = Map<string, number>;

export interface AnnouncementRules {
  /** Whether the current permissions allow telling the peer. */
  mayAnnounce(subject: string): boolean;
  /** Whether permissions also apply to what the account always wants. On a hub they do not. */
  readonly checksAlwaysWanted: boolean;
}

export class LeafInterest {
  readonly #rules: AnnouncementRules;
  readonly #send: (lines: string) => void;
  /** By the words after the verb: `<subject>`, or `<subject> <queue>` for a group. */
  readonly #shares = new Map<string, Shares>();
  #alwaysWanted: ReadonlySet<string> = new Set();
  readonly #announced = new Map<string, number>();
  /** The lines that wait for the end of `together`; null outside it. */
  #waiting: string[] | null = null;

  constructor(rules: AnnouncementRules, send: (lines: string) => void) {
    this.#rules = rules;
    this.#send = send;
  }

  set(subject: string, queue: string, origin: string, weight: number): void {
    const key = queue === "" ? subject : `${subject} ${queue}`;
    const shares = this.#shares.get(key) ?? new Map<string, number>();
    if (weight > 0) shares.set(origin, weight);
    else shares.delete(origin);
    if (shares.size > 0) this.#shares.set(key, shares);
    else this.#shares.delete(key);
    this.#update(key);
  }

  /** Sets the subjects that are wanted whatever the ledger says: imports, mappings, the subject that detects loops. */
  setAlwaysWanted(subjects: Iterable<string>): void {
    const before = this.#alwaysWanted;
    this.#alwaysWanted = new Set(subjects);
    for (const subject of before.union(this.#alwaysWanted)) {
      if (before.has(subject) !== this.#alwaysWanted.has(subject)) this.#update(subject);
    }
  }

  /** Announces again what changed permissions allow. */
  refresh(): void {
    this.together(() => {
      const keys = new Set([...this.#shares.keys(), ...this.#alwaysWanted, ...this.#announced.keys()]);
      for (const key of keys) this.#update(key);
    });
  }

  /** Runs `change`, and sends the lines of all changes that it makes at once. */
  together(change: () => void): void {
    if (this.#waiting !== null) {
      change();
      return;
    }
    const waiting: string[] = [];
    this.#waiting = waiting;
    change();
    this.#waiting = null;
    if (waiting.length > 0) this.#send(waiting.join(""));
  }

  #update(key: string): void {
    const [subject = "", queue] = key.split(" ");
    const weight = this.#weightOf(key, subject, queue !== undefined);
    const announced = this.#announced.get(key) ?? 0;
    if (weight === announced) return;
    if (weight === 0) {
      this.#announced.delete(key);
      this.#write(`LS- ${key}\r\n`);
    } else {
      this.#announced.set(key, weight);
      this.#write(queue === undefined ? `LS+ ${key}\r\n` : `LS+ ${key} ${weight}\r\n`);
    }
  }

  #weightOf(key: string, subject: string, isQueue: boolean): number {
    const shares = this.#shares.get(key);
    const isAlwaysWanted = this.#alwaysWanted.has(key);
    if (shares === undefined && !isAlwaysWanted) return 0;
    const isExempt = isAlwaysWanted && !this.#rules.checksAlwaysWanted;
    if (!isExempt && !this.#rules.mayAnnounce(subject)) return 0;
    if (!isQueue) return 1;
    return [...(shares?.values() ?? [])].reduce((sum, weight) => sum + weight, 0);
  }

  #write(line: string): void {
    if (this.#waiting === null) this.#send(line);
    else this.#waiting.push(line);
  }
}
