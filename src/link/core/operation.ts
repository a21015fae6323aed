/**
 * What servers send each other, parsed by `operation_parser.ts`. One type serves routes, gateways and leaf nodes, which
 * differ in the arguments of a few verbs.
 */
import type { MessageBytes } from "../../protocol/set_header.ts";

export type LinkOperation =
  /** The JSON as sent, still text: the protocol refuses members of wrong types. */
  | { readonly kind: "info"; readonly json: string }
  | { readonly kind: "connect"; readonly json: string }
  | { readonly kind: "ping" }
  | { readonly kind: "pong" }
  | { readonly kind: "ok" }
  /** Without the quotes. */
  | { readonly kind: "error"; readonly text: string }
  /**
   * `RS+`, `LS+`. `account` is "" on links of one account, `origin` is "" if the line names none, `queue` is "" for
   * plain interest.
   */
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
  /** `RS-`, `LS-`. What the words of a route's `LS-` mean depends on the peer's INFO: see `OperationRules`. */
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
  /** `RMSG`, `HMSG`, `LMSG`, with the payload. */
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
