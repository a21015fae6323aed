/**
 * The messages of main and the shards to the logins thread, and its messages to main. Plain data, because it crosses
 * threads.
 */
import type { AccountsChange } from "../account/accounts_change.ts";
import type { ServerIdentity } from "../protocol/server_object.ts";
import type { AccountDetails } from "./account_details.ts";
import type { ServerSecrets } from "./callouts.ts";
import type { LoginsSettings } from "./logins.ts";
import type { AccountsOrigin, OperatorSetup } from "./operator_mode.ts";

export interface LoginsStart {
  readonly type: "start";
  readonly memory: WebAssembly.Memory;
  readonly engineCode: WebAssembly.Module;
  readonly transport: "epoll" | "runtime";
  readonly logins: LoginsSettings;
  readonly server: ServerIdentity;
  /** The hash that stands for this server in subjects. */
  readonly serverHash: string;
  readonly secrets: ServerSecrets;
  /** Null outside operator mode. */
  readonly operator: OperatorSetup | null;
}

/** Main → the logins thread, by postMessage. */
export type LoginsMessage =
  | LoginsStart
  /** A shard's port to this thread, which brings `LoginQuestion`s as JSON. */
  | { readonly type: "shard"; readonly node: number; readonly port: MessagePort }
  /** A reload took place. */
  | {
      readonly type: "reload";
      readonly logins: LoginsSettings;
      /** Null outside operator mode. */
      readonly accounts: AccountsOrigin | null;
    }
  /** Main asks about an account of operator mode, to be loaded if it is not; answered under the same id. */
  | { readonly type: "describe"; readonly id: number; readonly account: string; readonly loads: boolean };

/** The logins thread → main, by postMessage. */
export type LoginsReport =
  /** The thread serves. With a `problem` it cannot, and the server does not start. */
  | { readonly type: "ready"; readonly problem: string | undefined }
  /** A reload has been carried out: questions from now on are judged by it. */
  | { readonly type: "reloaded" }
  | { readonly type: "accounts"; readonly change: AccountsChange }
  /** `details` is undefined if there is no such account. */
  | { readonly type: "details"; readonly id: number; readonly details: AccountDetails | undefined }
  | {
      readonly type: "log";
      readonly level: "info" | "warning" | "error" | "debug";
      readonly text: string;
    };
