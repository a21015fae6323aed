import { parseArgs } from "node:util";

/** A command of the key tool: what it is called, what it takes and what it does. */
export interface Command {
  /** Such as `account add`. */
  readonly name: string;
  /** The names of the operands. One in brackets is optional; one that ends in dots takes all that follow. */
  readonly operands: readonly string[];
  readonly options: readonly Option[];
  readonly doc: string;
  run(args: Arguments, session: Session): void | Promise<void>;
}

export interface Option {
  readonly name: string;
  /** One letter. */
  readonly short?: string;
  /** What its value is called; absent if it takes none. */
  readonly value?: string;
  /** Whether it may be given several times; values may then be separated by commas, too. */
  readonly isRepeated?: true;
  readonly doc: string;
}

/** The world around a command, besides files and sockets. */
export interface Session {
  /** Writes a line of the answer. */
  print(text: string): void;
  /** Unix time. */
  nowSeconds(): number;
}

/** Why a command cannot be done; shown to the user as it is. */
export class CommandError extends Error {
  override name = "CommandError";
}

/** The operands and options that were given to a command. */
export class Arguments {
  readonly #operands: readonly string[];
  readonly #values: ReadonlyMap<string, readonly string[]>;

  constructor(operands: readonly string[], values: ReadonlyMap<string, readonly string[]>) {
    this.#operands = operands;
    this.#values = values;
  }

  /** The operand at `index`; the command's table says that it is there. */
  operand(index: number): string {
    const operand = this.#operands[index];
    if (operand === undefined) throw new RangeError("an operand that the command does not demand");
    return operand;
  }

  /** All operands from `index` on. */
  operandsFrom(index: number): readonly string[] {
    return this.#operands.slice(index);
  }

  has(option: string): boolean {
    return this.#values.has(option);
  }

  text(option: string): string | undefined {
    return this.#values.get(option)?.at(-1);
  }

  /** Values that were given one by one or with commas. */
  texts(option: string): readonly string[] {
    const values = this.#values.get(option) ?? [];
    return values
      .flatMap((value) => value.split(","))
      .map((value) => value.trim())
      .filter((value) => value !== "");
  }
}

/** Reads the arguments after a command's name. */
export function readArguments(command: Command, args: readonly string[]): Arguments {
  const options = Object.fromEntries(
    command.options.map(({ name, short, value, isRepeated }) => [
      name,
      {
        type: value === undefined ? ("boolean" as const) : ("string" as const),
        multiple: isRepeated === true,
        ...(short !== undefined && { short }),
      },
    ]),
  );
  let parsed: { values: Record<string, unknown>; positionals: readonly string[] };
  try {
    parsed = parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    const [problem] = (error as Error).message.split(/\. |\n/, 1);
    throw new CommandError(`${command.name}: ${problem}\n${usageLine(command)}`);
  }
  checkOperandCount(command, parsed.positionals);
  const values = Object.entries(parsed.values)
    .filter(([, value]) => value !== false && value !== undefined)
    .map(([name, value]) => [name, [value].flat().map(String)] as const);
  return new Arguments(parsed.positionals, new Map(values));
}

function checkOperandCount(command: Command, operands: readonly string[]): void {
  const { name, operands: names } = command;
  const missing = names.filter((operand) => !operand.startsWith("["))[operands.length];
  if (missing !== undefined) throw new CommandError(`${name}: ${missing} is missing\n${usageLine(command)}`);
  const isOpen = names.at(-1)?.includes("...") ?? false;
  const surplus = isOpen ? undefined : operands[names.length];
  if (surplus !== undefined) {
    throw new CommandError(`${name}: ${JSON.stringify(surplus)} is one word too many\n${usageLine(command)}`);
  }
}

function usageLine({ name, operands, options }: Command): string {
  return ["usage: midge", name, ...operands, options.length > 0 ? "[options]" : ""].join(" ").trimEnd();
}

const DOC_COLUMN = 32;

/** What `midge <command> --help` prints. */
export function describeCommand(command: Command): string {
  const lines = command.options.map(({ name, short, value, doc }) => {
    const left = `    ${short === undefined ? "" : `-${short}, `}--${name} ${value ?? ""}`.trimEnd();
    return left.length < DOC_COLUMN
      ? left.padEnd(DOC_COLUMN) + doc
      : `${left}\n${" ".repeat(DOC_COLUMN)}${doc}`;
  });
  const heading = `${usageLine(command)}\n\n${command.doc}\n`;
  return lines.length === 0 ? heading : `${heading}\n${lines.join("\n")}\n`;
}
