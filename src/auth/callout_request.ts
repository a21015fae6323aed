import type { ConnectionType } from "../config/authorization.ts";
import { isLeafType } from "../config/authorization.ts";
import type { AuthorizationRequestClaims, ClientTls, ServerIdentity } from "./jwt/claims.ts";
import { encode } from "./jwt/encode.ts";
import { newAuthorizationRequest } from "./jwt/new_claims.ts";
import type { LoginRequest, NeedsCallout } from "./login.ts";
import type { KeyPair } from "./nkey.ts";
import type { SealingKey } from "./xkey.ts";

/**
 * What an auth callout service is asked: a JWT, signed by the server, about one client.
 * Source: nats-server auth_callout.go, processClientOrLeafCallout.
 */

const AUDIENCE = "nats-authorization-request";

export interface CalloutQuestion {
  readonly pending: NeedsCallout;
  readonly request: LoginRequest;
  /** A public user key made for this question: the answer must be about it. */
  readonly userNkey: string;
  /** Who is asked: the configured issuer, or in operator mode the account. */
  readonly issuer: string;
  readonly server: ServerIdentity;
  readonly clientId: number;
  /** Null without TLS. */
  readonly tls: ClientTls | null;
  /** How long an answer is waited for: as long as a client has to authenticate. */
  readonly timeoutMs: number;
  /** Unix milliseconds. */
  readonly nowMs: number;
}

/** The claims of a question. */
export function calloutClaims(question: CalloutQuestion): AuthorizationRequestClaims {
  const { request, pending, server, nowMs, timeoutMs } = question;
  const { connect, connectionType, nonce, ip } = request;
  const { bound } = pending;
  const claims = newAuthorizationRequest(question.issuer);
  const isLogin = bound.kind === "login";
  return {
    ...claims,
    audience: AUDIENCE,
    expiresAtSeconds: Math.floor((nowMs + timeoutMs) / 1000),
    nats: {
      ...claims.nats,
      server,
      userNkey: question.userNkey,
      client: {
        host: ip,
        id: question.clientId,
        user: bound.user,
        name: connect.name,
        tags: isLogin ? bound.tags : [],
        nameTag: isLogin ? bound.nameTag : "",
        kind: isLeafType(connectionType) ? "Leafnode" : "Client",
        type: clientType(connectionType),
        mqttId: "",
        nonce: connect.signature === "" ? "" : nonce,
      },
      connectOptions: {
        jwt: isLogin ? bound.jwt : "",
        nkey: bound.identityKind === "nkey" ? bound.user : connect.nkey,
        signature: connect.signature,
        token: connect.authToken,
        // The user that a client without credentials was taken for, or that its certificate named.
        user: bound.identityKind === "user" ? bound.user : connect.user,
        password: pending.password,
        name: connect.name,
        lang: connect.lang,
        version: connect.version,
        protocol: connect.protocol,
      },
      tls: question.tls ?? undefined,
    },
  };
}

function clientType(type: ConnectionType): string {
  if (type === "WEBSOCKET" || type === "LEAFNODE_WS") return "websocket";
  return type === "MQTT" || type === "MQTT_WS" ? "mqtt" : "nats";
}

/** A message for `$SYS.REQ.USER.AUTH`. */
export interface CalloutMessage {
  readonly payload: Uint8Array;
  /** Name and value of its only header; null for none. */
  readonly header: readonly [name: string, value: string] | null;
}

export type CalloutEncoding =
  | { readonly ok: true; readonly message: CalloutMessage }
  | { readonly ok: false; readonly problem: string };

/** How questions are encrypted: between the server's curve key and that of the service. */
export interface CalloutSeal {
  readonly key: SealingKey;
  /** The service's curve key. */
  readonly xkey: string;
}

/** Signs the question, and encrypts it if the service has a curve key. */
export function encodeCallout(
  question: CalloutQuestion,
  serverKey: KeyPair,
  seal: CalloutSeal | undefined,
): CalloutEncoding {
  const { account } = question.pending;
  const encoded = encode(calloutClaims(question), serverKey, question.nowMs / 1000);
  if (!encoded.ok) {
    return {
      ok: false,
      problem: `Error encoding auth request claim on account ${JSON.stringify(account)}: ${encoded.text}`,
    };
  }
  const payload = new TextEncoder().encode(encoded.token);
  if (seal === undefined) return { ok: true, message: { payload, header: null } };
  const sealed = seal.key.seal(payload, seal.xkey);
  if (!sealed.ok) {
    return {
      ok: false,
      problem: `Error encrypting auth request claim on account ${JSON.stringify(account)}: ${sealed.text}`,
    };
  }
  return {
    ok: true,
    message: { payload: sealed.bytes, header: ["Nats-Server-Xkey", seal.key.publicKey] },
  };
}
