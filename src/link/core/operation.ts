/**
 * What servers send each other, parsed: one type for routes, gateways and leaf nodes, which differ in the arguments of a
 * few verbs. `operation_parser.ts` makes them of bytes.
 */
import type { MessageBytes } from "../../protocol/set_header.ts";

export type LinkOperation =
  /** The JSON as sent, still text: members of wrong types are the protocol's to refuse. */
  | { readonly kind: "info"; readonly json: string }
  | { readonly kind: "connect"; readonly json: string }
  | { readonly kind: "ping" }
  | { readonly kind: "pong" }
  | { readonly kind: "ok" }
  /** Without the quotes. */
  | { readonly kind: "error"; readonly text: string }
  /** `RS+`, `LS+`. `account` is "" on links of one account, `origin` "" where the line names none, `queue` "" for plain interest. */
  | {
      readonly kind: "subscribe";
      readonly account: string;
      readonly origin: string;
      readonly subject: string;
      readonly queue: string;
      /** As sent; 1 for plain interest. */
      readonly weight: number;
      /** `LS+` on a route. */
      readonly isLeaf: boolean;
    }
  /** `RS-`, `LS-`. On a route the words of an `LS-` are told apart by what the peer's INFO said: see its parser options. */
  | {
      readonly kind: "unsubscribe";
      readonly account: string;
      readonly origin: string;
      readonly subject: string;
      readonly queue: string;
      readonly isLeaf: boolean;
    }
  /** `A+`, `A-` of gateways. */
  | { readonly kind: "account"; readonly account: string; readonly hasInterest: boolean }
  /** `RMSG`, `HMSG`, `LMSG`, payload and all. */
  | {
      readonly kind: "message";
      /** "" on links of one account. */
      readonly account: string;
      readonly origin: string;
      readonly subject: string;
      readonly reply: string;
      readonly queues: readonly string[];
      readonly content: MessageBytes;
    };
