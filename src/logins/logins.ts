/** Judges the logins that take more than comparing texts. */
import type { ClientTls } from "../auth/jwt/claims.ts";
import type { Login, LoginRefusal, LoginRequest, NeedsCallout } from "../auth/login.ts";
import { decideLogin } from "../auth/login_flow.ts";
import { type JudgeTools, LoginJudge } from "../auth/login_judge.ts";
import { type LoginRules, needsHashComparison } from "../auth/login_rules.ts";
import { SignatureVerifier } from "../auth/nkey.ts";
import { loadHashComparison } from "../auth/password.ts";
import { undecidedRefusal } from "../auth/verdict.ts";
import { errorText } from "../base/error_text.ts";
import type { CalloutAccounts, CalloutAsk, CalloutSurroundings, Callouts } from "./callouts.ts";
import { LoginQueue } from "./login_queue.ts";
import type { OperatorMode } from "./operator_mode.ts";

/** What a reload may change. Plain data. */
export interface LoginsSettings {
  readonly rules: LoginRules;
  /** How long a login may wait to be judged, and how long a question to a callout service may wait for its answer. */
  readonly timeoutMs: number;
  /** The accounts that a callout in the configuration concerns; null without one. */
  readonly calloutAccounts: CalloutAccounts | null;
}

/** A login as a shard asks about it. */
export interface AskedLogin {
  /** The shard. */
  readonly node: number;
  readonly clientId: number;
  /** Whether the client is in already, and the shard asks again after a reload. */
  readonly isAgain: boolean;
  readonly request: LoginRequest;
  /** What a callout service is told; null without TLS. */
  readonly clientTls: ClientTls | null;
  /** Whether the connection is still there. */
  isWanted(): boolean;
  conclude(verdict: Login | LoginRefusal): void;
}

/** Settings, and the judge that was made from them. */
interface InForce {
  readonly settings: LoginsSettings;
  readonly judge: LoginJudge;
}

export class Logins {
  readonly #operator: OperatorMode | null;
  readonly #calloutSurroundings: Omit<CalloutSurroundings, "source">;
  readonly #queue = new LoginQueue({
    nowMs: () => performance.now(),
    yield: (resume) => void setTimeout(resume, 0),
  });
  #inForce: InForce;
  #callouts: Promise<Callouts> | null = null;

  static async create(
    settings: LoginsSettings,
    operator: OperatorMode | null,
    calloutSurroundings: Omit<CalloutSurroundings, "source">,
  ): Promise<Logins> {
    return new Logins(await prepare(settings, operator), operator, calloutSurroundings);
  }

  private constructor(
    inForce: InForce,
    operator: OperatorMode | null,
    calloutSurroundings: Omit<CalloutSurroundings, "source">,
  ) {
    this.#inForce = inForce;
    this.#operator = operator;
    this.#calloutSurroundings = calloutSurroundings;
  }

  /** Applies the settings of a reload. Logins that are already being judged use the previous settings. */
  async changeSettings(settings: LoginsSettings): Promise<void> {
    this.#inForce = await prepare(settings, this.#operator);
  }

  /** Queues the login to be judged. If its connection goes meanwhile there is no verdict. */
  add(login: AskedLogin): void {
    const { node, isAgain, request } = login;
    const { timeoutMs } = this.#inForce.settings;
    // For a server that has sent its login there is no time limit.
    const isPatient = isAgain || request.server !== undefined;
    this.#queue.add({
      lane: `${node} ${laneOf(login)}`,
      expiresAtMs: isPatient ? Number.POSITIVE_INFINITY : performance.now() + timeoutMs,
      isWanted: () => login.isWanted(),
      judge: () => void this.#conclude(login),
      expire: () => login.conclude(undecidedRefusal(request, "authentication timeout")),
    });
  }

  /** An exception while one login is judged refuses that login alone, because this thread judges them all. */
  async #conclude(login: AskedLogin): Promise<void> {
    let verdict: Login | LoginRefusal | null;
    try {
      verdict = await this.#judge(login);
    } catch (error) {
      const logs = [{ level: "error", text: `A login could not be judged: ${errorText(error)}` }] as const;
      verdict = { ...undecidedRefusal(login.request, "authorization violation"), logs };
    }
    if (verdict !== null) login.conclude(verdict);
  }

  /** Null if the connection is gone when the verdict is ready. */
  async #judge(login: AskedLogin): Promise<Login | LoginRefusal | null> {
    const { judge, settings } = this.#inForce;
    const verdict = await decideLogin(judge, this.#operator ?? undefined, login.request);
    return verdict.kind === "needs callout" ? this.#callOut(login, verdict, settings) : verdict;
  }

  async #callOut(login: AskedLogin, pending: NeedsCallout, settings: LoginsSettings) {
    const { request, clientId, clientTls } = login;
    const { timeoutMs } = settings;
    const callouts = await this.#loadCallouts();
    return callouts.decide(
      { pending, request, clientId, clientTls, timeoutMs, isWanted: () => login.isWanted() },
      this.#askOf(settings),
    );
  }

  #askOf({ rules, calloutAccounts }: LoginsSettings): CalloutAsk {
    const operator = this.#operator;
    if (operator === null) return { kind: "config", callout: rules.callout!, accounts: calloutAccounts! };
    const { trust, book } = operator;
    return { kind: "operator", trust, book, definitionOf: (key) => operator.definitionOf(key) };
  }

  /** Loads the module that encrypts and signs questions, when the first question is asked. */
  #loadCallouts(): Promise<Callouts> {
    this.#callouts ??= import("./callouts.ts").then(
      ({ Callouts }) => new Callouts({ ...this.#calloutSurroundings, source: this.#operator ?? undefined }),
    );
    return this.#callouts;
  }
}

/**
 * Clients that are in already wait in lanes of their own, so that a reload with many connections keeps nobody out. So
 * do other servers, which are few, and logins by signature, which take a thousandth of the time of a hashed password.
 */
function laneOf({ isAgain, request }: AskedLogin): string {
  if (isAgain) return "again";
  if (request.server !== undefined) return "server";
  return request.connect.signature === "" ? "secret" : "signature";
}

async function prepare(settings: LoginsSettings, operator: OperatorMode | null): Promise<InForce> {
  const { rules } = settings;
  const tools: JudgeTools = {
    verifySignature: new SignatureVerifier().verify,
    compareHash: needsHashComparison(rules) ? await loadHashComparison() : () => false,
    nowMs: () => Date.now(),
    operatorMode:
      operator === null
        ? undefined
        : { trust: operator.trust, findAccount: (key) => operator.book.find(key) },
  };
  return { settings, judge: new LoginJudge(rules, tools) };
}
