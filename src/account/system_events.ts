/** The subjects of events in the system account. Source: nats-server events.go. */

/** A client is in. */
export function connectSubject(account: string): string {
  return `$SYS.ACCOUNT.${account}.CONNECT`;
}

/** A client is gone, whether it was in or not. */
export function disconnectSubject(account: string): string {
  return `$SYS.ACCOUNT.${account}.DISCONNECT`;
}

/** How many connections an account has: the old subject, which other servers listen to, and the new one. */
export function connectionCountSubjects(account: string): readonly [string, string] {
  return [`$SYS.SERVER.ACCOUNT.${account}.CONNS`, `$SYS.ACCOUNT.${account}.SERVER.CONNS`];
}

/** A login was refused. */
export function authErrorSubject(serverId: string): string {
  return `$SYS.SERVER.${serverId}.CLIENT.AUTH.ERR`;
}

/** The same in the account that the client was bound to: an ordinary subject there. */
export const ACCOUNT_AUTH_ERROR_SUBJECT = "$SYS.ACCOUNT.CLIENT.AUTH.ERR";

/** A client is turned away because its certificates were revoked or cannot be checked. */
export function peerRejectedSubject(serverId: string): string {
  return `$SYS.SERVER.${serverId}.OCSP.PEER.CONN.REJECT`;
}

/** One certificate of a client's chain was revoked or cannot be checked. */
export function invalidLinkSubject(serverId: string): string {
  return `$SYS.SERVER.${serverId}.OCSP.PEER.LINK.INVALID`;
}

export function statisticsSubject(serverId: string): string {
  return `$SYS.SERVER.${serverId}.STATSZ`;
}

export function lameDuckSubject(serverId: string): string {
  return `$SYS.SERVER.${serverId}.LAMEDUCK`;
}

export function shutdownSubject(serverId: string): string {
  return `$SYS.SERVER.${serverId}.SHUTDOWN`;
}

/** The same of any server. */
export const STATISTICS_SUBJECTS = statisticsSubject("*");
export const LAME_DUCK_SUBJECTS = lameDuckSubject("*");
export const SHUTDOWN_SUBJECTS = shutdownSubject("*");

/** A leaf node has connected in the account, which other clusters are to know. */
export function leafConnectSubject(account: string): string {
  return `$SYS.ACCOUNT.${account}.LEAFNODE.CONNECT`;
}
