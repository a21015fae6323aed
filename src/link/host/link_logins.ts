/**
 * Logins of leaf nodes and of other servers. They are judged like those of clients: here if comparing texts is enough,
 * else by the logins thread.
 */
import { InlineJudge } from "../../auth/inline_judge.ts";
import {
  isServersOwn,
  type Login,
  type LoginLog,
  type LoginRefusal,
  type LoginRequest,
  type ServerKind,
  type Verdict,
} from "../../auth/login.ts";
import { DEFAULT_CONNECT_OPTIONS } from "../../protocol/connect_options.ts";
import { clientTls, peerIdentity } from "../../shard/client/peer_identity.ts";
import { STATE_CONNECTED, STATE_WAITING } from "../../shard/connection.ts";
import type { LinkShard } from "../../shard/links/link_host.ts";
import { textOf } from "../../subject/byte_string.ts";
import type { LinkConnection } from "../core/link.ts";
import type { ServerLogin } from "../core/server_login.ts";
import type { LeafLoginRequest, LeafLogins } from "../leaf/leaf_context.ts";
import type { HostLink } from "./host_link.ts";

type Answer = (verdict: Login | LoginRefusal) => void;

/** Judges the logins of other servers. */
export interface ServerLogins {
  /** Judges by user and password, whatever the certificate says; see `JudgeServer`. */
  judgeServer(
    kind: ServerKind,
    link: LinkConnection,
    login: ServerLogin,
    isAgain: boolean,
    answer: (isAuthorized: boolean) => void,
  ): void;
}

type LoginsShard = Pick<LinkShard, "options" | "node" | "ask" | "log" | "holdInput" | "resumeInput">;

export class ShardLinkLogins implements LeafLogins, ServerLogins {
  readonly #shard: LoginsShard;
  #judge: InlineJudge;
  /** The links that wait for a verdict, by slot. */
  readonly #waiting = new Map<number, { readonly link: HostLink; readonly answer: Answer }>();

  constructor(shard: LoginsShard) {
    this.#shard = shard;
    this.#judge = new InlineJudge(shard.options.login.rules);
  }

  /** The rules have changed. */
  refresh(): void {
    this.#judge = new InlineJudge(this.#shard.options.login.rules);
  }

  judge(link: LinkConnection, leafRequest: LeafLoginRequest, answer: Answer): void {
    const { connection } = link as HostLink;
    const request = { ...leafRequest, ip: connection.ip, tls: peerIdentity(connection) };
    this.#judgeOne(link as HostLink, request, false, (verdict) => {
      answer(verdict);
      // The link has logged the rest under its name.
      this.#log(verdict.logs.filter(isServersOwn));
    });
  }

  judgeServer(
    server: ServerKind,
    link: LinkConnection,
    { user, password }: ServerLogin,
    isAgain: boolean,
    answer: (isAuthorized: boolean) => void,
  ): void {
    const { connection } = link as HostLink;
    const request: LoginRequest = {
      connectionType: "STANDARD",
      server,
      ip: connection.ip,
      nonce: "",
      connect: { ...DEFAULT_CONNECT_OPTIONS, user: textOf(user), password: textOf(password) },
      tls: null,
      isImplicit: false,
    };
    const isAsked = this.#judgeOne(link as HostLink, request, isAgain, ({ kind, logs }) => {
      this.#log(logs);
      if (connection.state === STATE_WAITING) {
        connection.state = STATE_CONNECTED;
        this.#shard.resumeInput(connection);
      }
      answer(kind === "login");
    });
    if (!isAsked || isAgain) return;
    connection.state = STATE_WAITING;
    this.#shard.holdInput(connection);
  }

  /** Judges one login. Returns whether the logins thread was asked, which answers later. */
  #judgeOne(link: HostLink, request: LoginRequest, isAgain: boolean, answer: Answer): boolean {
    const verdict = this.#judge.judge(request);
    if (verdict !== null) {
      this.#conclude(link, verdict, answer);
      return false;
    }
    const { connection } = link;
    const { slot, clientId } = connection;
    this.#waiting.set(slot, { link, answer });
    this.#shard.ask({
      node: this.#shard.node,
      slot,
      clientId,
      // A link logs in only once.
      loginNumber: 0,
      isAgain,
      request,
      clientTls: clientTls(connection),
    });
    return true;
  }

  /** Takes the logins thread's verdict. */
  answer(slot: number, clientId: number, verdict: Verdict): void {
    const waiting = this.#waiting.get(slot);
    if (waiting?.link.connection.clientId !== clientId) return;
    this.#waiting.delete(slot);
    this.#conclude(waiting.link, verdict, waiting.answer);
  }

  forget(slot: number): void {
    this.#waiting.delete(slot);
  }

  #conclude(link: HostLink, verdict: Verdict, answer: Answer): void {
    if (verdict.kind !== "login" && verdict.kind !== "refusal") return;
    if (verdict.kind === "login") link.trust();
    answer(verdict);
  }

  #log(logs: readonly LoginLog[]): void {
    for (const { level, text } of logs) this.#shard.log(level, text);
  }
}
