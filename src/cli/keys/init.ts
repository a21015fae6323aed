/** `midge init`: all it takes to start a server and log in, in one folder. */
import { basename, join, resolve } from "node:path";
import type { Export } from "../../auth/jwt/claims.ts";
import { account as accountCodec } from "../../auth/jwt/codec.ts";
import { newAccount, newOperator, newUser } from "../../auth/jwt/new_claims.ts";
import type { KeyPair } from "../../auth/nkey.ts";
import { type Arguments, type Command, CommandError, type Session } from "./command.ts";
import { DEFAULT_PORT, PORT_OPTION, readPort, writeServerConfig } from "./server_config.ts";
import { findUserSigner, saveAccount, saveOperator, saveUser } from "./signing.ts";
import { Store } from "./store.ts";

const SYSTEM_ACCOUNT = "SYS";
const SYSTEM_USER = "sys";

/** The exports of the system account by which accounts ask about themselves, as nsc makes them. */
export const SYSTEM_EXPORTS: readonly Export[] = accountCodec.read({
  exports: [
    {
      name: "account-monitoring-services",
      subject: "$SYS.REQ.ACCOUNT.*.*",
      type: "service",
      response_type: "Stream",
      account_token_position: 4,
      description: "Request account specific monitoring services for: SUBSZ, CONNZ, LEAFZ, JSZ and INFO",
      info_url: "https://docs.nats.io/nats-server/configuration/sys_accounts",
    },
    {
      name: "account-monitoring-streams",
      subject: "$SYS.ACCOUNT.*.>",
      type: "stream",
      account_token_position: 3,
      description: "Account specific monitoring stream",
      info_url: "https://docs.nats.io/nats-server/configuration/sys_accounts",
    },
  ],
}).exports;

export const INIT: Command = {
  name: "init",
  operands: ["[FOLDER]"],
  options: [
    {
      name: "operator",
      short: "o",
      value: "NAME",
      doc: "name of the operator (default: that of the folder)",
    },
    { name: "account", short: "a", value: "NAME", doc: "name of the account (default: app)" },
    { name: "user", short: "u", value: "NAME", doc: "name of its user (default: app)" },
    PORT_OPTION,
  ],
  doc: `Makes, in FOLDER or here: an operator with a signing key, the system account with a user, an account
with a user, their creds files, and server.conf, with which a server starts at once.`,
  run: init,
};

function init(args: Arguments, session: Session): void {
  const folder = args.operandsFrom(0)[0] ?? ".";
  const operatorName = args.text("operator") ?? basename(resolve(folder));
  const accountName = args.text("account") ?? "app";
  const userName = args.text("user") ?? "app";
  const port = readPort(args.text("port")) ?? DEFAULT_PORT;
  if (accountName === SYSTEM_ACCOUNT) {
    throw new CommandError(
      `--account ${SYSTEM_ACCOUNT}: this is the name of the system account, choose another`,
    );
  }

  const store = Store.create(folder, operatorName);
  const systemKey = store.createKey("account");
  makeOperator(store, systemKey.publicKey, port, session);
  const systemCreds = makeAccount(store, systemKey, SYSTEM_ACCOUNT, SYSTEM_USER, session);
  const creds = makeAccount(store, store.createKey("account"), accountName, userName, session);

  const config = join(folder, "server.conf");
  const accountsFolder = resolve(folder, "jwt");
  writeServerConfig(config, store, { port, accountsFolder });
  session.print(`operator        ${operatorName}, with a signing key
system account  ${SYSTEM_ACCOUNT}, user ${SYSTEM_USER}: ${systemCreds}
account         ${accountName}, user ${userName}: ${creds}
server          ${config}, listens on port ${port}

Start it:    midge -c ${config}
Log in:      nats ${port === DEFAULT_PORT ? "" : `-s nats://localhost:${port} `}--creds ${creds} pub hello world
Keep keys/ safe and secret: whoever has it can make accounts and users.`);
}

function makeOperator(store: Store, systemAccount: string, port: number, session: Session): void {
  const identity = store.createKey("operator");
  const claims = newOperator(identity.publicKey, store.operatorName);
  const url = `nats://localhost:${port}`;
  const nats = {
    ...claims.nats,
    signingKeys: [store.createKey("operator").publicKey],
    operatorServiceUrls: [url],
    // Where "nsc push" and "nsc pull" find the resolver.
    accountServerUrl: url,
    systemAccount,
  };
  saveOperator(store, { ...claims, nats }, session.nowSeconds());
}

/** Returns the path of the user's creds file. */
function makeAccount(store: Store, key: KeyPair, name: string, userName: string, session: Session): string {
  const claims = newAccount(key.publicKey, name);
  const exports = name === SYSTEM_ACCOUNT ? SYSTEM_EXPORTS : [];
  const account = saveAccount(
    store,
    { ...claims, nats: { ...claims.nats, exports } },
    session.nowSeconds(),
  ).claims;
  const user = newUser(store.createKey("user").publicKey, userName);
  saveUser(store, account, user, findUserSigner(store, account, undefined), session.nowSeconds());
  return store.credsPath(name, userName);
}
