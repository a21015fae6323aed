/** `midge nkey`: a key by itself, for a configuration that names users by nkey, or a callout service. */
import { existsSync, readFileSync } from "node:fs";
import { readKey } from "../../auth/jwt/decorated.ts";
import { KeyPair, type Role } from "../../auth/nkey.ts";
import { type Arguments, type Command, CommandError, type Session } from "./command.ts";
import { writeSecret } from "./store.ts";

const ROLES: readonly Role[] = ["user", "account", "operator", "server", "cluster", "curve"];

export const NKEY: Command = {
  name: "nkey",
  operands: ["ROLE|FILE", "[FILE]"],
  options: [{ name: "print", doc: "print the seed instead of writing it to a file" }],
  doc: `Makes a key of a ROLE (${ROLES.join(", ")}), writes its seed to FILE and prints its
public key. With a FILE that holds a seed already, such as a creds file, prints the public key of that.`,
  run: makeKey,
};

function makeKey(args: Arguments, session: Session): void {
  const [path] = args.operandsFrom(1);
  const role = ROLES.find((known) => known === args.operand(0));
  if (role === undefined) {
    session.print(readPublicKey(args.operand(0)));
    return;
  }
  const key = KeyPair.create(role);
  if (args.has("print")) {
    session.print(`${key.encodeSeed()}\n${key.publicKey}`);
    return;
  }
  if (path === undefined) {
    throw new CommandError(`nkey ${role}: name a file for the seed, such as ${role}.nk, or use --print`);
  }
  if (existsSync(path))
    throw new CommandError(`nkey ${role}: ${path} is there already, and is not overwritten`);
  writeSecret(path, `${key.encodeSeed()}\n`);
  session.print(key.publicKey);
}

function readPublicKey(path: string): string {
  if (!existsSync(path)) {
    throw new CommandError(`nkey ${path}: use one of ${ROLES.join(", ")}, or a file that holds a seed`);
  }
  const key = readKey(readFileSync(path, "utf8"));
  if (key === undefined) throw new CommandError(`nkey ${path}: the file holds no seed`);
  return key.publicKey;
}
