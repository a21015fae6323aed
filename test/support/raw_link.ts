/** The other end of a link as a script: a route, a gateway or a leaf node that says what a row wants said. */
import { expect } from "bun:test";
import { DEADLINE_MS } from "./deadline.ts";
import { type Bytes, type Info, RawClient, show } from "./raw_client.ts";

/** Lines that come whenever they like, and that no row is about unless it says so. */
const NOISE =
  /^INFO |^PONG$|^[RL]S[+-] +(?:\S+ )?(?:\S+ )?(?:\$SYS|\$LDS\.|\$JS\.|_GR_\.>|\$GR\.\*\.>)|^[RL]S[+-] \$SYS /;

let nextMark = 1;

/**
 * A connection of servers, read entry by entry: a line without its end, and for a message the payload after CR LF. PING is
 * answered. Lines that are noise are passed over.
 */
export class RawLink {
  readonly client: RawClient;
  /** What the other server said of itself first. */
  info: Info = {} as Info;
  /** Entries that were read while another kind was looked for. */
  #kept: string[] = [];

  constructor(client: RawClient) {
    this.client = client;
  }

  static async open(port: number): Promise<RawLink> {
    return new RawLink(await RawClient.open(port));
  }

  /** Sends lines, each ended here; a message's payload is a line of its own. */
  send(...lines: string[]): void {
    this.client.send(lines.map((line) => `${line}\r\n`).join(""));
  }

  sendJson(verb: "INFO" | "CONNECT", fields: object): void {
    this.send(`${verb} ${JSON.stringify(fields)}`);
  }

  sendBytes(bytes: Bytes): void {
    this.client.send(bytes);
  }

  /** Takes the next entry that is no noise. */
  async next(deadlineMs = DEADLINE_MS): Promise<string> {
    for (;;) {
      const entry = this.#kept.shift() ?? (await this.#read(deadlineMs));
      if (!NOISE.test(entry)) return entry;
    }
  }

  /** Exactly these entries come next. */
  async expect(...entries: string[]): Promise<void> {
    for (const entry of entries) {
      const next = await this.next().catch((error: Error) => {
        throw new Error(`expected ${show(entry)}: ${error.message}`);
      });
      if (next !== entry) throw new Error(`expected ${show(entry)}\n but received ${show(next)}`);
    }
  }

  /** This message comes next, whatever is told of interest before it. */
  async expectMessage(message: string): Promise<void> {
    const next = await this.nextMessage();
    if (next !== message) throw new Error(`expected ${show(message)}\n but received ${show(next)}`);
  }

  /** Takes entries up to the next message and returns that. */
  async nextMessage(deadlineMs = DEADLINE_MS): Promise<string> {
    for (;;) {
      const entry = await this.next(deadlineMs);
      if (isMessage(entry)) return entry;
    }
  }

  /** These entries come next, in any order. */
  async expectInAnyOrder(...entries: string[]): Promise<void> {
    const received: string[] = [];
    for (const _ of entries) received.push(await this.next());
    expect(received.sort()).toEqual([...entries].sort());
  }

  /** Takes the next INFO line, of those that `isWanted`; what else comes is kept. */
  async readInfo(isWanted: (info: Info) => boolean = () => true, deadlineMs = DEADLINE_MS): Promise<Info> {
    const at = this.#kept.findIndex((entry) => entry.startsWith("INFO ") && isWanted(infoOf(entry)));
    if (at >= 0) return infoOf(this.#kept.splice(at, 1)[0]!);
    for (;;) {
      const entry = await this.#read(deadlineMs);
      if (!entry.startsWith("INFO ") || !isWanted(infoOf(entry))) {
        this.#kept.push(entry);
        continue;
      }
      const info = infoOf(entry);
      if (this.info.server_id === undefined) this.info = info;
      return info;
    }
  }

  /** Takes a CONNECT line, which comes next. */
  async readConnect(): Promise<Record<string, unknown>> {
    const entry = await this.next();
    if (!entry.startsWith("CONNECT ")) throw new Error(`expected CONNECT but received ${show(entry)}`);
    return JSON.parse(entry.slice("CONNECT ".length)) as Record<string, unknown>;
  }

  /** Everything sent before has been handled; what came meanwhile is kept. */
  async roundTrip(): Promise<void> {
    this.send("PING");
    for (;;) {
      const entry = await this.#read(DEADLINE_MS);
      if (entry === "PONG") return;
      this.#kept.push(entry);
    }
  }

  /** What the client, of account `$G` unless named, subscribes to next is the next that is told here. */
  async expectNoInterest(client: RawClient, prefix = "RS+ $G"): Promise<void> {
    const subject = `mark.${nextMark++}`;
    client.send(`SUB ${subject} ${subject}\r\n`);
    await this.expect(`${prefix} ${subject}`);
    client.send(`UNSUB ${subject}\r\n`);
    await this.expect(`${prefix.replace("+", "-")} ${subject}`);
  }

  /** The connection ends, after these lines only. */
  async expectEnd(...lines: string[]): Promise<void> {
    const text = await this.client.readToEnd();
    const entries = [...this.#kept, ...text.split("\r\n")].filter(
      (entry) => entry !== "" && !NOISE.test(entry),
    );
    expect(entries).toEqual(lines);
  }

  /** The connection ends after this error. */
  async expectError(text: string): Promise<void> {
    await this.expectEnd(`-ERR '${text}'`);
  }

  destroy(): void {
    this.client.destroy();
  }

  async #read(deadlineMs: number): Promise<string> {
    const line = await this.client.readLine(deadlineMs);
    if (!isMessage(line)) return line;
    const byteCount = Number(line.split(" ").at(-1)) + 2;
    const payload = new TextDecoder().decode(await this.client.readBytes(byteCount, deadlineMs));
    return `${line}\r\n${payload.slice(0, -2)}`;
  }
}

function isMessage(entry: string): boolean {
  return /^[RHL]MSG /.test(entry);
}

function infoOf(entry: string): Info {
  return JSON.parse(entry.slice("INFO ".length)) as Info;
}
