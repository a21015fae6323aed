/** Random worlds and what happens in them, for fast-check. */
import fc from "fast-check";
import {
  CONNECTION_DROPS,
  CONNECTION_HAS_NO_ECHO,
  CONNECTION_IS_CLOSED,
  CONNECTION_IS_CONGESTED,
  CONNECTION_IS_NOTED,
  CONNECTION_TAKES_HEADERS,
  CONNECTION_WANTS_NO_RESPONDERS,
  CONTEXT_FROM_GATEWAY,
  CONTEXT_FROM_ROUTE,
} from "../../memory/layout.ts";
import { foreignTo } from "./foreign_lines.ts";
import { ACCOUNTS, type WorldSpecification } from "./lockstep.ts";
import {
  type LinkKind,
  type Message,
  type NodeSpecification,
  namesAccounts,
  type PlanSpecification,
} from "./specification.ts";

/** The first node, one in between, and the last that fits into the bitmaps. */
export const NODES = [0, 5, 31];
/** Subjects of all lengths around the steps of 16, and pairs that differ in one byte. */
export const SUBJECTS = [
  "a",
  "b",
  "orders.created",
  "orders.created1",
  "orders.created12",
  "orders.created13",
  "orders.created123",
  "_INBOX.0123456789abcdefgh.ABCDEF",
  "_INBOX.0123456789abcdefgh.ABCDEG",
  "x".repeat(100),
];
/** Some subjects are sent again and again, so that a connection's last plan is used. */
const sentSubject = fc.oneof(fc.constantFrom("a", "orders.created"), fc.constantFrom(...SUBJECTS));
/** Context 2 is a user of account 1, or a leaf node. */
export const CONTEXTS = [1, 2, CONTEXT_FROM_ROUTE | 1, CONTEXT_FROM_GATEWAY | 1];
export const ACCOUNT = 1;
const LINK_CONTEXTS: Readonly<Record<LinkKind, number>> = {
  route: CONTEXT_FROM_ROUTE,
  dedicated: CONTEXT_FROM_ROUTE | ACCOUNT,
  gateway: CONTEXT_FROM_GATEWAY,
  leaf: 2,
};
const LINK_KINDS = Object.keys(LINK_CONTEXTS) as readonly LinkKind[];
const NAMES = [...ACCOUNTS.keys(), "$G", "$G", "NOBODY"];

/** How large messages are, and the rings, which must have room for two. */
export const SCALES = [
  { payloadBytesMax: 100, ringCapacity: 1024, sizes: [0, 1, 15, 16, 17, 99, 100] },
  { payloadBytesMax: 2000, ringCapacity: 8192, sizes: [0, 1, 16, 100, 509, 510, 511, 512, 513, 528, 2000] },
  { payloadBytesMax: 98304, ringCapacity: 1 << 18, sizes: [0, 7, 511, 512, 61000, 61376, 98303, 98304] },
];

const flag = (bit: number, weight: number) =>
  fc.integer({ min: 0, max: 9 }).map((n) => (n < weight ? bit : 0));

export const flags = fc
  .tuple(
    flag(CONNECTION_TAKES_HEADERS, 7),
    flag(CONNECTION_HAS_NO_ECHO, 3),
    flag(CONNECTION_WANTS_NO_RESPONDERS, 4),
    flag(CONNECTION_IS_CONGESTED, 1),
    flag(CONNECTION_IS_NOTED, 1),
    flag(CONNECTION_IS_CLOSED, 1),
    flag(CONNECTION_DROPS, 1),
  )
  .map((bits) => bits.reduce((all, bit) => all | bit, 0));

const subset = (count: number, max: number) =>
  fc.uniqueArray(fc.integer({ min: 0, max: count - 1 }), { maxLength: Math.min(count, max) });

/** An empty list about half the time. */
const sometimes = <T>(list: fc.Arbitrary<T[]>): fc.Arbitrary<T[]> => fc.oneof(fc.constant<T[]>([]), list);

export function planOf(
  node: number,
  subscriptions: number,
  context: number,
  subject: string,
  receives: boolean,
): fc.Arbitrary<PlanSpecification> {
  const others = NODES.filter((other) => other !== node);
  const members = fc.uniqueArray(
    fc.record({ node: fc.constantFrom(...others), weight: fc.integer({ min: 1, max: 5 }) }),
    { selector: (member) => member.node, maxLength: 2 },
  );
  const group = fc
    .record({ queue: fc.integer({ min: 1, max: 4 }), locals: subset(subscriptions, 3), nodes: members })
    .filter(({ locals, nodes }) => locals.length + nodes.length > 0);
  return fc.record({
    context: fc.constant(context),
    account: fc.constant(ACCOUNT),
    subject: fc.constant(subject),
    // A message from another node is mapped already.
    delivered: receives ? fc.constant(subject) : fc.constantFrom(subject, subject, ...SUBJECTS),
    moreGenerations: fc.constantFrom(0, 0, 1, 3),
    isForHost: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
    queuesAreForHost: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
    repliesAreForHost: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
    plain: sometimes(subset(subscriptions, 6)),
    groups: sometimes(fc.uniqueArray(group, { selector: ({ queue }) => queue, maxLength: 3 })),
    plainNodes: sometimes(fc.uniqueArray(fc.constantFrom(...others), { maxLength: 2 })),
  });
}

function nodeOf(node: number, payloadBytesMax: number): fc.Arbitrary<NodeSpecification> {
  return fc
    .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 8 }))
    .chain(([connectionCount, subscriptionCount]) =>
      fc.record({
        node: fc.constant(node),
        dropsNothing: fc.boolean(),
        connections: fc.array(
          fc
            .record({
              flags,
              payloadBytesMax: fc.constantFrom(payloadBytesMax, payloadBytesMax, payloadBytesMax >> 1),
              link: fc.constantFrom<LinkKind | undefined>(undefined, undefined, ...LINK_KINDS),
              clientContext: fc.constantFrom(1, 2),
            })
            .map(({ link, clientContext, ...rest }) => {
              if (link === undefined) return { ...rest, context: clientContext };
              return { ...rest, link, context: LINK_CONTEXTS[link] };
            }),
          { minLength: connectionCount, maxLength: connectionCount },
        ),
        subscriptions: fc.array(
          fc.record({
            slot: fc.integer({ min: 1, max: connectionCount }),
            sid: fc.constantFrom("1", "42", "sid-of-16-bytes!", "long".repeat(20)),
            max: fc.constantFrom(0, 0, 0, 1, 2, 7),
          }),
          { minLength: subscriptionCount, maxLength: subscriptionCount },
        ),
        plans: fc.tuple(
          ...CONTEXTS.flatMap((context) =>
            SUBJECTS.map((subject) => planOf(node, subscriptionCount, context, subject, context === ACCOUNT)),
          ),
        ),
      }),
    );
}

export function worldOf(scale: (typeof SCALES)[number]): fc.Arbitrary<WorldSpecification> {
  return fc.record({
    nodes: fc.tuple(...NODES.map((node) => nodeOf(node, scale.payloadBytesMax))),
    // One outbox is enough, because the host can always empty it.
    outboxCount: fc.constantFrom(1, 2, 3, 8),
    ringCapacity: fc.constantFrom(scale.ringCapacity, scale.ringCapacity * 2),
    ringStart: fc.constantFrom(0, scale.ringCapacity - 64, 2 ** 32 - 2048, 2 ** 32 - 16),
    random: fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }),
  });
}

/** Bytes, among them CR, LF and blanks, which must not be taken for a boundary. */
const fill = (length: number, seed: number) => {
  let payload = "";
  for (let at = 0; at < length; at++) payload += String.fromCharCode((seed + at * 7 + (at >> 4)) & 255);
  return payload;
};

const reply = fc.constantFrom(
  "",
  "",
  "_INBOX.1",
  "r",
  "0",
  "12",
  "answers.to.a.long.subject.of.someone",
  "_r",
);

export function messageOf(sizes: number[]): fc.Arbitrary<Message & { account: string }> {
  return fc
    .record({
      account: fc.constantFrom(...NAMES),
      subject: sentSubject,
      reply,
      size: fc.constantFrom(...sizes),
      headers: fc.constantFrom(-1, -1, 0, 1, 12, 1e9),
      seed: fc.nat(255),
    })
    .map(({ account, subject, reply, size, headers, seed }) => {
      const headerLength = Math.min(headers, size);
      const numbers = headerLength < 0 ? `${size}` : `${headerLength} ${size}`;
      const line = `${reply === "" ? "" : `${reply} `}${numbers}\r\n`;
      return { account, subject, reply, headerLength, line, payload: fill(size, seed) };
    });
}

/** A message as a client or another server sends it. */
export function wire({ account, subject, line, headerLength, payload }: Message, link?: LinkKind): string {
  const verb = link === undefined ? "PUB" : namesAccounts(link) ? `MSG ${account}` : "MSG";
  const letter = headerLength >= 0 ? "H" : link === undefined ? "" : link === "leaf" ? "L" : "R";
  return `${letter}${verb} ${subject} ${line}${payload}\r\n`;
}

/** What a connection sends: mostly messages, and some lines for the host. Some of both have a byte changed. */
export function streamOf(sizes: number[], link?: LinkKind): fc.Arbitrary<string> {
  const whole = fc.oneof(
    { weight: 8, arbitrary: messageOf(sizes).map((message) => wire(message, link)) },
    { weight: 1, arbitrary: fc.constantFrom(...foreignTo(link)) },
  );
  const changed = fc
    .record({ item: whole, at: fc.nat(), byte: fc.constantFrom(..." \r\n\t0159aP\0\u0080"), kind: fc.nat(2) })
    .map(({ item, at, byte, kind }) => {
      const index = at % Math.min(item.length, 60);
      return item.slice(0, index) + (kind === 2 ? "" : byte) + item.slice(kind === 1 ? index : index + 1);
    });
  return fc
    .array(fc.oneof({ weight: 9, arbitrary: whole }, { weight: 1, arbitrary: changed }), { maxLength: 12 })
    .map((items) => items.join(""));
}
