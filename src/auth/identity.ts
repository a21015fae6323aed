import { goQuoteText } from "../protocol/go_quote.ts";
import type { IdentityKind, LoginRequest } from "./login.ts";

/** Who a client is by what it sent, or by what the decision put in its place. Texts are empty where there is nothing. */
export interface Claimed {
  readonly nkey: string;
  readonly user: string;
  readonly password: string;
  readonly authToken: string;
  readonly jwt: string;
  /** The subject of the user JWT, once that has been verified. */
  readonly publicKey: string;
}

/** What CONNECT claims. Where `hasJwt` is false a JWT means nothing, and is forgotten. */
export function claimedBy({ connect }: Pick<LoginRequest, "connect">, hasJwt: boolean): Claimed {
  const { nkey, user, password, authToken, jwt } = connect;
  return { nkey, user, password, authToken, jwt: hasJwt ? jwt : "", publicKey: "" };
}

export interface Identity {
  readonly identityKind: IdentityKind;
  /** What is shown; never a token. */
  readonly user: string;
}

/** Source: nats-server client.go, getRawAuthUser. */
export function identityOf({ nkey, user, jwt, publicKey, authToken }: Claimed): Identity {
  if (nkey !== "") return { identityKind: "nkey", user: nkey };
  if (user !== "") return { identityKind: "user", user };
  if (jwt !== "") return { identityKind: "jwt", user: publicKey };
  return authToken === ""
    ? { identityKind: "none", user: "" }
    : { identityKind: "token", user: "[REDACTED]" };
}

const LABELS: Readonly<Record<IdentityKind, string>> = {
  nkey: "Nkey ",
  user: "User ",
  jwt: "JWT User ",
  token: "Token ",
  none: "",
};

/** The line for the log when a client is refused: `authentication error - User "alice"`. */
export function refusalLogText({ identityKind, user }: Identity): string {
  if (user === "") return "authentication error";
  return `authentication error - ${LABELS[identityKind]}${goQuoteText(user)}`;
}
