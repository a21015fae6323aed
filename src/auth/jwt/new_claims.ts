/** New claims, as nats-io/jwt makes them: nothing is limited, and JetStream is off. */
import type {
  AccountClaims,
  AccountLimits,
  ActivationClaims,
  AuthorizationRequestClaims,
  AuthorizationResponseClaims,
  GenericClaims,
  OperatorClaims,
  StandardClaims,
  UserClaims,
} from "./claims.ts";
import * as codec from "./codec.ts";

const UNLIMITED_CONNECTION = { maxSubscriptions: -1, maxDataBytes: -1, maxPayloadBytes: -1 };

export const UNLIMITED_ACCOUNT: AccountLimits = {
  ...codec.account.absent.limits,
  ...UNLIMITED_CONNECTION,
  maxImports: -1,
  maxExports: -1,
  wildcardExports: true,
  maxConnections: -1,
  maxLeafnodes: -1,
};

export function newOperator(subject: string, name: string): OperatorClaims {
  return { ...standard(subject, name), type: "operator", nats: codec.operator.absent };
}

export function newAccount(subject: string, name: string): AccountClaims {
  const nats = { ...codec.account.absent, limits: UNLIMITED_ACCOUNT };
  return { ...standard(subject, name), type: "account", nats };
}

export function newUser(subject: string, name: string): UserClaims {
  const nats = { ...codec.user.absent, ...UNLIMITED_CONNECTION };
  return { ...standard(subject, name), type: "user", nats };
}

/** A user that takes all its rights from the scoped key that signs it. */
export function newScopedUser(subject: string, name: string): UserClaims {
  return { ...standard(subject, name), type: "user", nats: codec.user.absent };
}

/** `subject` is the importing account. */
export function newActivation(subject: string, name: string): ActivationClaims {
  return { ...standard(subject, name), type: "activation", nats: codec.activation.absent };
}

export function newAuthorizationRequest(subject: string): AuthorizationRequestClaims {
  return { ...standard(subject, ""), type: "authorization_request", nats: codec.authorizationRequest.absent };
}

export function newAuthorizationResponse(subject: string): AuthorizationResponseClaims {
  return {
    ...standard(subject, ""),
    type: "authorization_response",
    nats: codec.authorizationResponse.absent,
  };
}

export function newGeneric(subject: string, nats: GenericClaims["nats"]): GenericClaims {
  return { ...standard(subject, ""), type: "generic", nats };
}

function standard(subject: string, name: string): StandardClaims {
  return { ...codec.standardClaims.absent, subject, name };
}
