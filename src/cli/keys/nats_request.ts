/**
 * A NATS connection that does one thing: ask the servers of a cluster and collect what they answer. Pure protocol over
 * node:net and node:tls; it neither reconnects nor keeps alive, for it lasts a few seconds.
 */
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { encodeBase64Url } from "../../auth/base64.ts";
import type { KeyPair } from "../../auth/nkey.ts";
import { CommandError } from "./command.ts";

export interface Login {
  readonly token: string;
  readonly key: KeyPair;
}

export interface ConnectOptions {
  readonly url: string;
  readonly login: Login;
  /** PEM of authorities to verify the server against, besides those of the system. */
  readonly tlsAuthorities: string | undefined;
  readonly timeoutMs: number;
}

const DEFAULT_PORT = 4222;
const CR_LF = Buffer.from("\r\n");

interface ServerInfo {
  readonly nonce?: string;
  readonly tls_required?: boolean;
}

/** How many answers a request waits for, and how long. */
export interface Patience {
  readonly count: number;
  readonly firstMs: number;
  readonly furtherMs: number;
}

/** Answers to the request under way. */
interface Waiting {
  readonly take: (payload: Buffer, hasNoResponders: boolean) => void;
  readonly fail: (error: Error) => void;
}

export class Connection {
  #socket: Socket;
  #received = Buffer.alloc(0);
  #waiting: Waiting | undefined;
  readonly #inbox = `_INBOX.${randomBytes(12).toString("hex")}`;
  readonly #url: string;

  private constructor(socket: Socket, url: string) {
    this.#socket = socket;
    this.#url = url;
  }

  /** Connects and logs in, or says why it could not. */
  static async open({ url, login, tlsAuthorities, timeoutMs }: ConnectOptions): Promise<Connection> {
    const { host, port, isTls } = splitUrl(url);
    const socket = connectTcp({ host, port });
    const connection = new Connection(socket, url);
    try {
      const info = await within(timeoutMs, `${url} does not answer`, connection.#readInfo());
      if (isTls || info.tls_required === true) {
        const handshake = connection.#upgrade(host, tlsAuthorities);
        await within(timeoutMs, `the TLS handshake with ${url} does not end`, handshake);
      }
      await within(timeoutMs, `${url} does not answer the login`, connection.#logIn(info, login));
    } catch (error) {
      connection.close();
      throw error instanceof CommandError
        ? error
        : new CommandError(`cannot connect to ${url}: ${reasonOf(error)}`);
    }
    return connection;
  }

  /**
   * Publishes `payload` and collects the answers: `count` of them, or those that come within `firstMs`, and then
   * within `furtherMs` of the one before. Throws if nobody listens on `subject`, or the connection ends.
   */
  async request(
    subject: string,
    payload: string,
    { count, firstMs, furtherMs }: Patience,
  ): Promise<readonly string[]> {
    const answers: string[] = [];
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        timer = setTimeout(resolve, firstMs);
        this.#waiting = {
          take: (answer, hasNoResponders) => {
            if (hasNoResponders) {
              const text = `no server takes ${subject}: its resolver is not of type full or cache`;
              reject(new CommandError(`${this.#url}: ${text}`));
              return;
            }
            answers.push(answer.toString());
            clearTimeout(timer);
            if (answers.length >= count) resolve();
            else timer = setTimeout(resolve, furtherMs);
          },
          fail: reject,
        };
        const body = Buffer.from(payload);
        const line = Buffer.from(`PUB ${subject} ${this.#inbox} ${body.length}\r\n`);
        this.#socket.write(Buffer.concat([line, body, CR_LF]));
      });
    } finally {
      clearTimeout(timer);
      this.#waiting = undefined;
    }
    return answers;
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Waits for the greeting, which comes before anything else. */
  async #readInfo(): Promise<ServerInfo> {
    const line = await new Promise<string>((resolve, reject) => {
      const take = (chunk: Buffer) => {
        this.#received = Buffer.concat([this.#received, chunk]);
        const end = this.#received.indexOf(CR_LF);
        if (end < 0) return;
        this.#socket.off("data", take);
        const line = this.#received.toString("utf8", 0, end);
        this.#received = this.#received.subarray(end + CR_LF.length);
        resolve(line);
      };
      this.#socket.on("data", take);
      this.#socket.once("error", reject);
      this.#socket.once("close", () => reject(new Error("it closed the connection")));
    });
    if (!line.startsWith("INFO ")) throw new Error("it is no NATS server");
    return JSON.parse(line.slice("INFO ".length)) as ServerInfo;
  }

  async #upgrade(host: string, authorities: string | undefined): Promise<void> {
    const plain = this.#socket;
    plain.removeAllListeners("data");
    const secure = connectTls({
      socket: plain,
      ...(isIP(host) === 0 && { servername: host }),
      ...(authorities !== undefined && { ca: authorities }),
    });
    this.#socket = secure;
    await new Promise<void>((resolve, reject) => {
      secure.once("secureConnect", () => resolve());
      secure.once("error", reject);
      secure.once("close", () => reject(new Error("it closed the connection")));
    });
  }

  async #logIn({ nonce = "" }: ServerInfo, { token, key }: Login): Promise<void> {
    const options = {
      verbose: false,
      pedantic: false,
      lang: "midge",
      version: "1",
      protocol: 1,
      headers: true,
      no_responders: true,
      jwt: token,
      sig: encodeBase64Url(key.sign(Buffer.from(nonce))),
    };
    await new Promise<void>((resolve, reject) => {
      let isIn = false;
      const end = (reason: string) => {
        const error = new CommandError(`${this.#url} ended the connection: ${reason}`);
        if (isIn) this.#waiting?.fail(error);
        else reject(error);
      };
      const lines = {
        pong: () => {
          isIn = true;
          resolve();
        },
        error: (text: string) => end(text),
      };
      this.#socket.on("data", (chunk: Buffer) => this.#take(chunk, lines));
      this.#socket.on("error", (error) => end(error.message));
      this.#socket.on("close", () => end("closed"));
      this.#socket.write(`CONNECT ${JSON.stringify(options)}\r\nSUB ${this.#inbox} 1\r\nPING\r\n`);
    });
  }

  /** Serves all operations that are complete. */
  #take(chunk: Buffer, lines: { readonly pong: () => void; readonly error: (text: string) => void }): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    for (;;) {
      const end = this.#received.indexOf(CR_LF);
      if (end < 0) return;
      const words = this.#received.toString("latin1", 0, end).split(" ");
      const verb = words[0]?.toUpperCase();
      const isMessage = verb === "MSG" || verb === "HMSG";
      const bodyBytes = isMessage ? Number(words.at(-1)) : 0;
      if (!Number.isSafeInteger(bodyBytes) || bodyBytes < 0) {
        lines.error("it does not speak the NATS protocol");
        this.close();
        return;
      }
      const bodyStart = end + CR_LF.length;
      const next = isMessage ? bodyStart + bodyBytes + CR_LF.length : bodyStart;
      if (this.#received.length < next) return;
      const body = Buffer.from(this.#received.subarray(bodyStart, bodyStart + bodyBytes));
      this.#received = this.#received.subarray(next);
      if (verb === "MSG") this.#waiting?.take(body, false);
      else if (verb === "HMSG") {
        const headerBytes = Number(words.at(-2));
        this.#waiting?.take(
          body.subarray(headerBytes),
          body.toString("latin1", 0, headerBytes).startsWith("NATS/1.0 503"),
        );
      } else if (verb === "PING") this.#socket.write("PONG\r\n");
      else if (verb === "PONG") lines.pong();
      else if (verb === "-ERR") lines.error(words.slice(1).join(" ").replaceAll("'", ""));
    }
  }
}

interface Address {
  readonly host: string;
  readonly port: number;
  readonly isTls: boolean;
}

function splitUrl(text: string): Address {
  const match = /^(?:(nats|tls):\/\/)?(?:\[([^\]]+)\]|([^:/@]+))(?::(\d{1,5}))?\/?$/i.exec(text);
  if (match === null) {
    throw new CommandError(
      `${JSON.stringify(text)} is no server to push to: use nats://host:port or tls://host:port`,
    );
  }
  const [, scheme = "nats", address, name, port = DEFAULT_PORT] = match;
  return { host: address ?? name ?? "", port: Number(port), isTls: scheme.toLowerCase() === "tls" };
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === "ECONNREFUSED" ? "nobody listens there" : message;
}

async function within<T>(timeoutMs: number, text: string, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new CommandError(`${text} in ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
