/** What main and the shards tell the links thread, and what it tells main. Plain data: it crosses threads. */
import type { LoginRules } from "../auth/login_rules.ts";

/** Main → links, by postMessage. */
export type LinksMessage =
  | {
      readonly type: "start";
      readonly memory: WebAssembly.Memory;
      readonly transport: "epoll" | "runtime";
      readonly rules: LoginRules;
    }
  /** A shard's line to this thread: it brings `LoginQuestion`s. */
  | { readonly type: "shard"; readonly node: number; readonly port: MessagePort }
  | { readonly type: "rules"; readonly rules: LoginRules };

/** Links → main, by postMessage. */
export type LinksReport =
  | { readonly type: "ready" }
  | { readonly type: "log"; readonly level: "info" | "warning" | "error" | "debug"; readonly text: string };
