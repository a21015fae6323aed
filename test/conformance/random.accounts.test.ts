import { expect } from "bun:test";
import { Random } from "../fuzz/random.ts";
import { login } from "../support/account_config.ts";
import type { RawClient } from "../support/raw_client.ts";
import { row, sharedServer } from "../support/row.ts";

// Three accounts, three connections each, that subscribe, unsubscribe and publish at random; after every message each
// connection must hold exactly what a few lines of model say.

const server = sharedServer({
  config: `
    accounts {
      P {
        users: [ { user: P, password: p } ]
        mappings { "m.*": "s.$1", "m.*.a": "$1.s" }
        exports: [ { stream: "s.>" }, { stream: "a.*.*" }, { stream: b } ]
      }
      Q {
        users: [ { user: Q, password: p } ]
        imports: [ { stream: { account: P, subject: "s.>" }, prefix: p }, { stream: { account: P, subject: b } } ]
        exports: [ { stream: "p.>" }, { stream: "s.>" } ]
      }
      R {
        users: [ { user: R, password: p } ]
        imports: [
          { stream: { account: P, subject: "a.*.*" }, to: "s.$2.$1" }
          { stream: { account: Q, subject: "p.>" }, prefix: a }
        ]
      }
    }
  `,
});

const ACCOUNTS = ["P", "Q", "R"] as const;
type AccountName = (typeof ACCOUNTS)[number];

const CONNECTIONS_PER_ACCOUNT = 3;
const STEP_COUNT = 250;
const TOKENS = ["s", "m", "p", "a", "b"];

/** Where a message that `account` published on `subject` is to be seen, under which subjects; mappings are applied. */
function visibleAs(account: AccountName, subject: string): (readonly [AccountName, string])[] {
  const tokens = subject.split(".");
  const [first, second, third] = tokens;
  const own = [account, subject] as const;
  if (account === "P" && first === "s" && tokens.length > 1) return [own, ["Q", `p.${subject}`]];
  if (account === "P" && first === "a" && tokens.length === 3) return [own, ["R", `s.${third}.${second}`]];
  if (account === "P" && subject === "b") return [own, ["Q", "b"]];
  if (account === "Q" && first === "p" && tokens.length > 1) return [own, ["R", `a.${subject}`]];
  return [own];
}

function mapped(account: AccountName, subject: string): string {
  const [first, second, third, ...rest] = subject.split(".");
  if (account !== "P" || first !== "m" || second === undefined || rest.length > 0) return subject;
  if (third === undefined) return `s.${second}`;
  return third === "a" ? `${second}.s` : subject;
}

function matches(pattern: string, subject: string): boolean {
  const [wanted, tokens] = [pattern.split("."), subject.split(".")];
  for (const [index, token] of wanted.entries()) {
    if (token === ">") return tokens.length > index;
    if (index >= tokens.length || (token !== "*" && token !== tokens[index])) return false;
  }
  return wanted.length === tokens.length;
}

interface Party {
  readonly account: AccountName;
  readonly client: RawClient;
  /** Subject by sid. */
  readonly subscriptions: Map<number, string>;
}

function randomSubject(random: Random, hasWildcards: boolean): string {
  const tokens = Array.from({ length: 1 + random.below(4) }, () =>
    hasWildcards && random.oneIn(3) ? "*" : random.pick(TOKENS),
  );
  if (hasWildcards && random.oneIn(4)) tokens[tokens.length - 1] = ">";
  return tokens.join(".");
}

/** What the party received since the last time, sorted. */
async function take({ client }: Party): Promise<string[]> {
  client.send("PING\r\n");
  const text = await client.readUntil("PONG\r\n");
  return (text.slice(0, -"PONG\r\n".length).match(/.*\r\n.*\r\n/g) ?? []).sort();
}

async function run(seed: number): Promise<void> {
  const random = new Random(seed);
  const parties: Party[] = [];
  for (let round = 0; round < CONNECTIONS_PER_ACCOUNT; round++) {
    for (const account of ACCOUNTS) {
      parties.push({ account, client: await login(server(), account), subscriptions: new Map() });
    }
  }
  let lastSid = 0;
  for (let step = 0; step < STEP_COUNT; step++) {
    const party = random.pick(parties);
    const kind = random.below(4);
    if (kind === 0) {
      const subject = randomSubject(random, true);
      party.subscriptions.set(++lastSid, subject);
      party.client.send(`SUB ${subject} ${lastSid}\r\n`);
      await party.client.roundTrip();
      continue;
    }
    if (kind === 1 && party.subscriptions.size > 2) {
      const sid = random.pick([...party.subscriptions.keys()]);
      party.subscriptions.delete(sid);
      party.client.send(`UNSUB ${sid}\r\n`);
      await party.client.roundTrip();
      continue;
    }
    const subject = randomSubject(random, false);
    const payload = String(step);
    party.client.send(`PUB ${subject} ${payload.length}\r\n${payload}\r\n`);
    const places = visibleAs(party.account, mapped(party.account, subject));
    const order = [party, ...parties.filter((each) => each !== party)];
    for (const each of order) {
      const due = places
        .filter(([account]) => account === each.account)
        .flatMap(([, seen]) =>
          [...each.subscriptions]
            .filter(([, pattern]) => matches(pattern, seen))
            .map(([sid]) => `MSG ${seen} ${sid} ${payload.length}\r\n${payload}\r\n`),
        );
      expect([seed, step, party.account, subject, await take(each)]).toEqual([
        seed,
        step,
        party.account,
        subject,
        due.sort(),
      ]);
    }
  }
  for (const { client } of parties) client.destroy();
}

for (const seed of [1, 2, 3, 4])
  row(`§3.2 §3.4 §4.3 random traffic in three accounts, seed ${seed}`, () => run(seed));
