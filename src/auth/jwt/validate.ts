/**
 * Finds what is wrong with decoded claims: the same issues, in the same words, as nats-io/jwt. Validation never throws.
 * It looks only at the claims, not at who signed them.
 */
import { isIP } from "node:net";
import { goQuoteText as quoted } from "../../protocol/go_quote.ts";
import { roleOf } from "../nkey.ts";
import { checkActivation, checkIssuerAccount } from "./activation_rules.ts";
import type {
  AuthorizationRequestClaims,
  AuthorizationResponseClaims,
  Claims,
  Operator,
  StandardClaims,
  User,
  UserRights,
} from "./claims.ts";
import { type Issue, Issues } from "./issues.ts";
import { checkPermissions } from "./subject_rules.ts";
import { checkAccountServerUrl, checkOperatorServiceUrl } from "./url_rules.ts";
import { checkAccount } from "./validate_account.ts";

/** All issues of the claims as of `nowSeconds`, Unix time. */
export function validate(claims: Claims, nowSeconds: number): readonly Issue[] {
  const issues = new Issues();
  switch (claims.type) {
    case "operator":
      checkTimes(claims, nowSeconds, issues);
      checkOperator(claims.nats, issues);
      break;
    case "account":
      checkTimes(claims, nowSeconds, issues);
      checkAccount(claims, issues);
      break;
    case "user":
      checkTimes(claims, nowSeconds, issues);
      checkUser(claims.nats, issues);
      break;
    case "activation":
      checkTimes(claims, nowSeconds, issues);
      checkActivation(claims.nats, issues);
      break;
    case "authorization_request":
      checkAuthorizationRequest(claims, issues);
      checkTimes(claims, nowSeconds, issues);
      break;
    case "authorization_response":
      checkAuthorizationResponse(claims, issues);
      checkTimes(claims, nowSeconds, issues);
      break;
    case "generic":
      checkTimes(claims, nowSeconds, issues);
      break;
  }
  return issues.found;
}

function checkTimes(
  { expiresAtSeconds, notBeforeSeconds }: StandardClaims,
  nowSeconds: number,
  issues: Issues,
): void {
  const now = Math.floor(nowSeconds);
  if (expiresAtSeconds > 0 && now > expiresAtSeconds) issues.timeCheck("claim is expired");
  if (notBeforeSeconds > 0 && notBeforeSeconds > now) issues.timeCheck("claim is not yet valid");
}

function checkOperator(operator: Operator, issues: Issues): void {
  checkAccountServerUrl(operator.accountServerUrl, issues);
  for (const url of operator.operatorServiceUrls) checkOperatorServiceUrl(url, issues);
  for (const key of operator.signingKeys) {
    if (roleOf(key) !== "operator") issues.block(`${key} is not an operator public key`);
  }
  const { systemAccount } = operator;
  if (systemAccount !== "" && roleOf(systemAccount) !== "account") {
    issues.block(`${systemAccount} is not an account public key`);
  }
  const fault = findVersionFault(operator.assertServerVersion);
  if (fault !== undefined) issues.block(`assert server version error: ${fault}`);
}

/** The fault of an asserted server version; undefined if there is no version, or it is `<major>.<minor>.<update>`. */
export function findVersionFault(version: string): string | undefined {
  if (version === "") return undefined;
  const parts = version.split(".");
  if (parts.length !== 3) return "asserted server version must be of the form <major>.<minor>.<update>";
  const wrong = parts.find((part) => !/^[+-]?\d+$/.test(part));
  if (wrong !== undefined) return `asserted server version cant parse ${wrong} to int`;
  if (parts.some((part) => Number(part) < 0)) {
    return `asserted server version can'b contain negative values: ${version}`;
  }
  return undefined;
}

function checkUser(user: User, issues: Issues): void {
  checkPermissions(user, issues);
  checkUserLimits(user, issues);
  checkIssuerAccount(user.issuerAccount, "account_id", issues);
}

function checkUserLimits({ sources, times, timesLocation }: UserRights, issues: Issues): void {
  for (const cidr of sources) {
    if (!isCidr(cidr)) issues.block(`invalid cidr ${quoted(cidr)} in user src limits`);
  }
  for (const { start, end } of times) {
    if (start === "") issues.block("time ranges start must contain a start");
    else if (!isTimeOfDay(start)) issues.block(`start in time range is invalid ${quoted(start)}`);
    if (end === "") issues.block("time ranges end must contain an end");
    else if (!isTimeOfDay(end)) issues.block(`end in time range is invalid ${quoted(end)}`);
  }
  if (!isTimeZone(timesLocation)) {
    issues.block(`could not parse iana time zone by name: unknown time zone ${timesLocation}`);
  }
}

/** Whether `text` is an address with the number of network bits, such as `10.0.0.0/8`. */
function isCidr(text: string): boolean {
  const [, address = "", bits = ""] = /^([^/%]*)\/(\d{1,3})$/.exec(text) ?? [];
  const family = isIP(address);
  return family !== 0 && Number(bits) <= (family === 4 ? 32 : 128);
}

/** Whether `text` is `HH:MM:SS`; the hour may have one digit, the seconds a fraction. */
function isTimeOfDay(text: string): boolean {
  return /^([01]?\d|2[0-3]):[0-5]\d:[0-5]\d([.,]\d+)?$/.test(text);
}

/** Whether this is an IANA time zone; "" and `Local` mean the server's. */
function isTimeZone(name: string): boolean {
  if (name === "" || name === "Local") return true;
  // Offsets, such as +01:00, are not names.
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    const { timeZone } = new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions();
    // Unlike Intl, Go distinguishes capital letters.
    return timeZone === name || timeZone.toLowerCase() !== name.toLowerCase();
  } catch {
    return false;
  }
}

function checkAuthorizationRequest({ nats }: AuthorizationRequestClaims, issues: Issues): void {
  const { userNkey } = nats;
  if (userNkey === "") issues.block("User nkey is required");
  else if (roleOf(userNkey) !== "user") {
    issues.block(`User nkey ${quoted(userNkey)} is not a valid user public key`);
  }
}

function checkAuthorizationResponse(claims: AuthorizationResponseClaims, issues: Issues): void {
  const { subject, audience, nats } = claims;
  if (roleOf(subject) !== "user") issues.block("Subject must be a user public key");
  if (roleOf(audience) !== "server") issues.block("Audience must be a server public key");
  if (nats.error === "" && nats.jwt === "") issues.block("Error or Jwt is required");
  if (nats.error !== "" && nats.jwt !== "") issues.block("Only Error or Jwt can be set");
  checkIssuerAccount(nats.issuerAccount, "issuer_account", issues);
}
