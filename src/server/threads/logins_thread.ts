/** The logins thread as main sees it: started once there is something for it to do, and told of reloads. */
import type { AccountsChange } from "../../account/accounts_change.ts";
import { type LoginRules, needsHashComparison } from "../../auth/login_rules.ts";
import type { AccountDetails } from "../../logins/account_details.ts";
import type { LoginsSettings } from "../../logins/logins.ts";
import type { LoginsMessage, LoginsReport, LoginsStart } from "../../logins/logins_messages.ts";
import type { AccountsOrigin } from "../../logins/operator_mode.ts";
import { workerUrl } from "../../runtime/worker_url.ts";
import type { ShardLogLevel } from "../../shard/shard_messages.ts";

const LOGINS_WORKER = workerUrl("logins.ts");

/** What does not change while the server runs. */
export type LoginsThreadSettings = Omit<LoginsStart, "type" | "logins">;

export interface LoginsThreadEvents {
  log(level: ShardLogLevel, text: string): void;
  /** The thread failed: logins are not judged any more. */
  fatal(text: string): void;
  onAccounts(change: AccountsChange): void;
}

export class LoginsThread {
  readonly #settings: LoginsThreadSettings;
  readonly #events: LoginsThreadEvents;
  /** The shards' lines to the thread, while it is not there. */
  readonly #ports = new Map<number, MessagePort>();
  readonly #ready = Promise.withResolvers<void>();
  /** By id: who waits for the answer to a question. */
  readonly #questions = new Map<number, (details: AccountDetails | undefined) => void>();
  #lastQuestion = 0;
  #worker: Worker | null = null;
  #reloaded = Promise.withResolvers<void>();
  #isStopped = false;

  constructor(settings: LoginsThreadSettings, events: LoginsThreadEvents) {
    this.#settings = settings;
    this.#events = events;
    this.#ready.promise.catch(() => {});
  }

  get isRunning(): boolean {
    return this.#worker !== null;
  }

  /** Gives a shard's line to the thread, as soon as there is one. */
  connect(node: number, port: MessagePort): void {
    if (this.#worker === null) {
      this.#ports.get(node)?.close();
      this.#ports.set(node, port);
    } else this.#worker.postMessage({ type: "shard", node, port } satisfies LoginsMessage, [port]);
  }

  /** Starts the thread if these rules want it. Rejects with the text a server does not start with. */
  async start(logins: LoginsSettings): Promise<void> {
    if (!needsThread(logins.rules)) return;
    const worker = new Worker(LOGINS_WORKER, { type: "module" });
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<LoginsReport>) => this.#onReport(data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#ready.reject(new Error(event.message));
      if (!this.#isStopped) this.#events.fatal(`The logins thread failed: ${event.message}`);
    };
    worker.postMessage({ type: "start", ...this.#settings, logins } satisfies LoginsMessage);
    for (const [node, port] of this.#ports) this.connect(node, port);
    this.#ports.clear();
    await this.#ready.promise;
  }

  /** Resolves once logins are judged by these settings. Reloads come one after the other. */
  async reload(logins: LoginsSettings, accounts: AccountsOrigin | null): Promise<void> {
    if (this.#worker === null) {
      await this.start(logins);
      return;
    }
    this.#reloaded = Promise.withResolvers();
    this.#worker.postMessage({ type: "reload", logins, accounts } satisfies LoginsMessage);
    await this.#reloaded.promise;
  }

  /**
   * Undefined outside operator mode, and for an account that nobody has asked for yet; with `loads` for one that cannot
   * be had. If that makes it known, `onAccounts` hears of it first.
   */
  describe(account: string, loads: boolean): Promise<AccountDetails | undefined> {
    const worker = this.#worker;
    if (worker === null || this.#isStopped || this.#settings.operator === null) {
      return Promise.resolve(undefined);
    }
    const id = ++this.#lastQuestion;
    return new Promise((resolve) => {
      this.#questions.set(id, resolve);
      worker.postMessage({ type: "describe", id, account, loads } satisfies LoginsMessage);
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#reloaded.resolve();
    this.#worker?.terminate();
    for (const resolve of this.#questions.values()) resolve(undefined);
    for (const port of this.#ports.values()) port.close();
  }

  #onReport(report: LoginsReport): void {
    switch (report.type) {
      case "ready":
        if (report.problem === undefined) this.#ready.resolve();
        else this.#ready.reject(new Error(report.problem));
        break;
      case "reloaded":
        this.#reloaded.resolve();
        break;
      case "accounts":
        this.#events.onAccounts(report.change);
        break;
      case "details":
        this.#questions.get(report.id)?.(report.details);
        this.#questions.delete(report.id);
        break;
      case "log":
        this.#events.log(report.level, report.text);
        break;
    }
  }
}

/** Whether there is something for the thread to do: logins that shards cannot judge by themselves. */
function needsThread(rules: LoginRules): boolean {
  return (
    rules.isOperatorMode ||
    rules.nkeys.length > 0 ||
    rules.leafCredentials?.kind === "nkey" ||
    rules.trustedProxies.length > 0 ||
    rules.callout !== null ||
    needsHashComparison(rules)
  );
}
