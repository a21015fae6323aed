/** The key tool: finds the command that the words after `midge` name, runs it, and returns the exit code. */
import { ACCOUNT_COMMANDS } from "./account.ts";
import { type Command, CommandError, describeCommand, readArguments, type Session } from "./command.ts";
import { DESCRIBE } from "./describe.ts";
import { INIT } from "./init.ts";
import { NKEY } from "./nkey.ts";
import { OPERATOR_COMMANDS } from "./operator.ts";
import { PUSH } from "./push.ts";
import { CONFIG } from "./server_config.ts";
import { SHARE_COMMANDS } from "./shares.ts";
import { USER_COMMANDS } from "./user.ts";

export const COMMANDS: readonly Command[] = [
  INIT,
  ...OPERATOR_COMMANDS,
  ...ACCOUNT_COMMANDS,
  ...SHARE_COMMANDS,
  ...USER_COMMANDS,
  CONFIG,
  PUSH,
  DESCRIBE,
  NKEY,
];

/** Runs the command that `words` ask for, and returns the exit code. What is wrong goes to `complain`. */
export async function runKeyTool(
  words: readonly string[],
  session: Session,
  complain: (text: string) => void,
): Promise<number> {
  const [group = "", verb = ""] = words;
  const isOfVerb = COMMANDS.some(({ name }) => name.startsWith(`${group} `));
  const name = isOfVerb ? `${group} ${verb}` : group;
  const command = COMMANDS.find((known) => known.name === name);
  if (command === undefined) {
    const isHelp = verb === "" || verb === "--help" || verb === "-h";
    (isHelp ? session.print : complain)(describeGroup(group, isHelp ? undefined : verb));
    return isHelp ? 0 : 1;
  }
  const args = words.slice(isOfVerb ? 2 : 1);
  if (args.includes("--help") || args.includes("-h")) {
    session.print(describeCommand(command).trimEnd());
    return 0;
  }
  try {
    await command.run(readArguments(command, args), session);
    return 0;
  } catch (error) {
    if (!(error instanceof CommandError) && !isFileError(error)) throw error;
    complain(`midge: ${error.message}`);
    return 1;
  }
}

/** A file that could not be read or written; the message names it and the reason. */
function isFileError(error: unknown): error is Error {
  return error instanceof Error && "code" in error && "path" in error;
}

const DOC_COLUMN = 20;

/** The commands that begin with the same word. */
function describeGroup(group: string, unknown: string | undefined): string {
  const commands = COMMANDS.filter(({ name }) => name.startsWith(`${group} `));
  const lines = commands.map(({ name, doc }) => `    ${name.padEnd(DOC_COLUMN)}${doc.split(/[.:\n]/, 1)[0]}`);
  const problem = unknown === undefined ? "" : `midge: no command "${group} ${unknown}"\n\n`;
  return `${problem}usage: midge ${group} COMMAND [options]; --help after a command shows its options\n\n${lines.join("\n")}`;
}
