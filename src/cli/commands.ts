/**
 * The words that `midge` takes in place of flags. They stand apart from the key tool, so that starting a server does
 * not load it. A program called nats-server takes none of them.
 */
export const KEY_COMMANDS: Readonly<Record<string, string>> = {
  init: "make an operator, accounts, a user and a server configuration in a folder",
  operator: "add, edit, list, describe or sign operators",
  account: "add, edit, list, describe, sign or delete accounts; their exports and imports",
  user: "add, edit, list, describe, sign, revoke or delete users; write creds files",
  config: "write the configuration of a server for what the folder holds now",
  push: "send accounts to running servers",
  describe: "show what a JWT or a file with one says",
  nkey: "make a key by itself",
};

/** And the one that shows several servers together. */
export const DEMO_COMMAND = "demo";

/** Whether these arguments are for the key tool, given what the program was called as. */
export function isKeyCommand(executable: string, [word = ""]: readonly string[]): boolean {
  return executable !== "nats-server" && Object.hasOwn(KEY_COMMANDS, word);
}

/** Whether these are for the demonstrations. */
export function isDemoCommand(executable: string, [word]: readonly string[]): boolean {
  return executable !== "nats-server" && word === DEMO_COMMAND;
}
