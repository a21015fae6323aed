/** Logins of leaf nodes: judged like those of clients, here where comparing texts is enough, else by the logins thread. */
import { InlineJudge } from "../../auth/inline_judge.ts";
import type { Login, LoginRefusal, LoginRequest, Verdict } from "../../auth/login.ts";
import { clientTls, peerIdentity } from "../../shard/client/peer_identity.ts";
import type { LinkShard } from "../../shard/links/link_host.ts";
import type { LinkConnection } from "../core/link.ts";
import type { LeafLoginRequest, LeafLogins } from "../leaf/leaf_context.ts";
import type { HostLink } from "./connections.ts";

type Answer = (verdict: Login | LoginRefusal) => void;

export class ShardLeafLogins implements LeafLogins {
  readonly #shard: LinkShard;
  #judge: InlineJudge;
  /** Those who wait for a verdict, by their slot. */
  readonly #waiting = new Map<number, { readonly id: number; readonly answer: Answer }>();

  constructor(shard: LinkShard) {
    this.#shard = shard;
    this.#judge = new InlineJudge(shard.options.login.rules);
  }

  /** The rules are new. */
  refresh(): void {
    this.#judge = new InlineJudge(this.#shard.options.login.rules);
  }

  judge(link: LinkConnection, leafRequest: LeafLoginRequest, answer: Answer): void {
    const { connection } = link as HostLink;
    const request: LoginRequest = { ...leafRequest, ip: connection.ip, tls: peerIdentity(connection) };
    const verdict = this.#judge.judge(request);
    if (verdict !== null) {
      this.#conclude(verdict, answer);
      return;
    }
    const { slot, clientId } = connection;
    this.#waiting.set(slot, { id: clientId, answer });
    this.#shard.ask({
      node: this.#shard.node,
      slot,
      clientId,
      // A leaf node logs in once.
      loginNumber: 0,
      isAgain: false,
      request,
      clientTls: clientTls(connection),
    });
  }

  /** The logins thread's verdict. */
  answer(slot: number, clientId: number, verdict: Verdict): void {
    const waiting = this.#waiting.get(slot);
    if (waiting?.id !== clientId) return;
    this.#waiting.delete(slot);
    this.#conclude(verdict, waiting.answer);
  }

  forget(slot: number): void {
    this.#waiting.delete(slot);
  }

  #conclude(verdict: Verdict, answer: Answer): void {
    if (verdict.kind !== "login" && verdict.kind !== "refusal") return;
    for (const { level, text } of verdict.logs) this.#shard.log(level, text);
    answer(verdict);
  }
}
