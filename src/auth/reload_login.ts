import type { Login, LoginRequest } from "./login.ts";
import type { LoginRules } from "./login_rules.ts";

/**
 * Whether, by new rules, the user of a connection is gone or belongs to another account, so that the connection is
 * closed without an error. Any other connection is judged again, with what it sent at its login: a nonce and its
 * signature hold as long as the connection. Source: nats-server reload.go, clientHasMovedToDifferentAccount.
 */
export function hasUserMoved(rules: LoginRules, { identityKind, user, account }: Login): boolean {
  if (rules.isOperatorMode || (identityKind !== "nkey" && identityKind !== "user")) return false;
  const list = identityKind === "nkey" ? rules.nkeys : rules.users;
  // The single user of `authorization` is in no list, and so is gone by any reload that changes who may log in.
  return list.find(({ name }) => name === user)?.account !== account;
}

/**
 * What a client is judged by again that was let in by the rules `before`: what it sent, or, of one without credentials,
 * the user that it is by `no_auth_user`, with the password that this one had then. So a new password ends it, as anybody
 * who had logged in by the old one. Source: nats-server auth.go, processClientOrLeafAuthentication, which puts both where
 * CONNECT would have put them.
 */
export function requestOfLogin(before: LoginRules, sent: LoginRequest, login: Login): LoginRequest {
  const request = { ...sent, currentAccount: login.account };
  const { connect, connectionType } = request;
  const { noAuthUser, mapsCertificates } = before[connectionType === "WEBSOCKET" ? "websocket" : "client"];
  const hasCredentials = [connect.user, connect.password, connect.authToken, connect.nkey].some(
    (each) => each !== "",
  );
  if (hasCredentials || before.isOperatorMode || login.user !== noAuthUser) return request;
  // That of a server whose users are all in the system account is in no configuration.
  if (noAuthUser === before.automaticUser) return request;
  if (login.identityKind === "nkey")
    return { ...request, connect: { ...connect, nkey: login.user }, isImplicit: false };
  const user = before.users.find(({ name }) => name === login.user);
  if (login.identityKind !== "user" || user === undefined || mapsCertificates) return request;
  return { ...request, connect: { ...connect, user: user.name, password: user.password }, isImplicit: false };
}
