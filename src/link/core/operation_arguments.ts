/** The arguments of the verbs that carry interest and messages between servers. Byte strings throughout. */
import { textOf } from "../../subject/byte_string.ts";
import type { LinkKind } from "./link.ts";
import type { LinkOperation } from "./operation.ts";

export type InterestVerb = "rs+" | "rs-" | "ls+" | "ls-" | "sub" | "unsub";
export type MessageVerb = "rmsg" | "hmsg" | "lmsg";

export type InterestOperation = Extract<LinkOperation, { kind: "subscribe" | "unsubscribe" }>;

/** A message without its content. */
export interface MessageHead {
  readonly account: string;
  readonly origin: string;
  readonly subject: string;
  readonly reply: string;
  readonly queues: readonly string[];
  readonly headerBytes: number;
  /** Headers and payload together. */
  readonly totalBytes: number;
}

/** `problem` is what nats-server logs. */
export type LineReading<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problem: string };

const SIZE_PATTERN = /^\d{1,9}$/;

/** What decides the meaning of a line's words: see `OperationRules`. */
interface LineRules {
  readonly kind: LinkKind;
  readonly isOfOneAccount?: boolean;
  readonly unsubscribeHasOrigin: boolean;
}

/**
 * Reads what follows the verb of a subscription; null for a line that means nothing on this kind of link.
 *
 * Source: nats-server `processRemoteSub`, `parseUnsubProto`, `processGatewayRSub`, `processLeafSub`, `processLeafUnsub`.
 */
export function readInterest(
  verb: InterestVerb,
  line: string,
  rules: LineRules,
): LineReading<InterestOperation | null> {
  const { kind } = rules;
  const isLeaf = kind === "route" && verb.startsWith("l");
  if (verb === "sub" && kind === "route") return { ok: true, value: null };
  if (verb.endsWith("-") || verb === "unsub") return readUnsubscribe(line, isLeaf, rules);

  const words = wordsOf(line);
  const accountAt = isLeaf ? 1 : 0;
  const subjectAt = namesAccount(rules) ? accountAt + 1 : accountAt;
  const wordCount = words.length - subjectAt;
  if (wordCount !== 1 && wordCount !== 3) {
    return { ok: false, problem: subscribeProblem(line, kind, isLeaf) };
  }
  const weight = words[subjectAt + 2];
  return {
    ok: true,
    value: {
      kind: "subscribe",
      account: subjectAt === accountAt ? "" : words[accountAt]!,
      origin: isLeaf ? words[0]! : "",
      subject: words[subjectAt]!,
      queue: words[subjectAt + 1] ?? "",
      weight: weight === undefined ? 1 : Math.max(sizeOf(weight), 0),
      isLeaf,
    },
  };
}

function subscribeProblem(line: string, kind: LinkKind, isLeaf: boolean): string {
  const text = textOf(line);
  if (kind === "route") return `processRemoteSub Parse Error: '${isLeaf ? "L" : "R"} ${text}'`;
  return kind === "gateway"
    ? `processGatewaySubjectSub Parse Error: '${text}'`
    : `processLeafSub Parse Error: '${text}'`;
}

function readUnsubscribe(
  line: string,
  isLeaf: boolean,
  rules: LineRules,
): LineReading<InterestOperation | null> {
  const { kind, unsubscribeHasOrigin } = rules;
  const words = wordsOf(line);
  const origin = isLeaf && unsubscribeHasOrigin ? words.shift() : "";
  const account = namesAccount(rules) ? words.shift() : "";
  const [subject, queue = ""] = words;
  if (origin === undefined || account === undefined || subject === undefined || words.length > 2) {
    // A leaf node may take back what it never announced, and nats-server ignores such a line.
    if (kind === "leaf") return { ok: true, value: null };
    const name = kind === "route" ? "processRemoteUnsub" : "processGatewaySubjectUnsub";
    return { ok: false, problem: `${name} parse error: '${textOf(line)}'` };
  }
  return { ok: true, value: { kind: "unsubscribe", account, origin, subject, queue, isLeaf } };
}

/**
 * Reads what follows `RMSG`, `HMSG` or `LMSG`. An `LMSG` of a route names origin and account, and has two sizes. That
 * of a leaf node names neither, and has one.
 *
 * Source: nats-server `processRoutedMsgArgs` and its four kin.
 */
export function readMessageHead(verb: MessageVerb, line: string, rules: LineRules): LineReading<MessageHead> {
  const { kind } = rules;
  const isOriginForm = verb === "lmsg" && kind === "route";
  const hasHeaderSize = verb === "hmsg" || isOriginForm;
  const name = readerName(kind, hasHeaderSize, isOriginForm);
  const words = wordsOf(line);
  const failed = (problem: string, what: string): LineReading<MessageHead> => ({
    ok: false,
    problem: `${name} ${problem}: '${textOf(what)}'`,
  });

  const accountAt = isOriginForm ? 1 : 0;
  const subjectAt = namesAccount(rules) ? accountAt + 1 : accountAt;
  const afterSubject = words.slice(subjectAt + 1);
  const sizes = afterSubject.splice(hasHeaderSize ? -2 : -1);
  if (words.length < subjectAt + 1 + (hasHeaderSize ? 2 : 1)) return failed("Parse Error", listOf(words));

  const [indicator = ""] = afterSubject;
  let reply = indicator;
  let queues: readonly string[] = [];
  if (afterSubject.length > 1) {
    if (indicator !== "+" && indicator !== "|") return failed("Bad or Missing Reply Indicator", indicator);
    reply = indicator === "+" ? afterSubject[1]! : "";
    queues = afterSubject.slice(indicator === "+" ? 2 : 1);
  }

  const headerBytes = hasHeaderSize ? sizeOf(sizes[0]!) : 0;
  const totalBytes = sizeOf(sizes.at(-1)!);
  if (headerBytes < 0) return failed("Bad or Missing Header Size", line);
  if (totalBytes < 0) return failed("Bad or Missing Size", listOf(words));
  if (headerBytes > totalBytes) return failed("Header Size larger then TotalSize", line);
  return {
    ok: true,
    value: {
      account: subjectAt === accountAt ? "" : words[accountAt]!,
      origin: isOriginForm ? words[0]! : "",
      subject: words[subjectAt]!,
      reply,
      queues,
      headerBytes,
      totalBytes,
    },
  };
}

function namesAccount({ kind, isOfOneAccount = false }: LineRules): boolean {
  return kind !== "leaf" && !isOfOneAccount;
}

/** The function of nats-server that reads such a line; its name begins the log text. */
function readerName(kind: LinkKind, hasHeaderSize: boolean, isOriginForm: boolean): string {
  if (isOriginForm) return "processRoutedOriginClusterMsgArgs";
  return `process${kind === "leaf" ? "Leaf" : "Routed"}${hasHeaderSize ? "Header" : ""}MsgArgs`;
}

function wordsOf(line: string): string[] {
  const words = line.split(" ");
  const isPlain = !words.includes("") && !line.includes("\t");
  return isPlain ? words : line.split(/[ \t]+/).filter((word) => word !== "");
}

/** Formats words as Go prints a list of byte slices. */
function listOf(words: readonly string[]): string {
  return `[${words.join(" ")}]`;
}

/** Reads a size of one to nine digits; -1 for anything else. */
function sizeOf(word: string): number {
  return SIZE_PATTERN.test(word) ? Number(word) : -1;
}
