/** A headless Chromium, controlled over the DevTools protocol: only as much of it as the tests need. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../support/deadline.ts";

const START_MS_MAX = 60_000;
const PROGRAMS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

type Parameters = Readonly<Record<string, unknown>>;

interface Answer {
  readonly id?: number;
  readonly method?: string;
  readonly sessionId?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

export class Chromium {
  readonly #child: ChildProcess;
  readonly #profile: string;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, PromiseWithResolvers<Record<string, unknown>>>();
  readonly #pages = new Map<string, Page>();
  #lastId = 0;

  private constructor(child: ChildProcess, profile: string, socket: WebSocket) {
    this.#child = child;
    this.#profile = profile;
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#hear(JSON.parse(String(data)) as Answer);
  }

  static async launch(): Promise<Chromium> {
    const program = process.env.CHROMIUM ?? PROGRAMS.find(existsSync);
    if (program === undefined) throw new Error("there is no Chromium; `bun run peers chromium` installs it");
    const profile = mkdtempSync(join(tmpdir(), "midge-chromium-"));
    const child = spawn(
      program,
      [
        "--headless=new",
        // Chromium's own sandbox refuses root, as whom containers run.
        ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--remote-debugging-port=0",
        `--user-data-dir=${profile}`,
        "about:blank",
      ],
      { stdio: ["ignore", "ignore", "pipe"] },
    );
    let said = "";
    child.stderr!.on("data", (bytes) => {
      said += bytes;
    });
    const address = () => /DevTools listening on (ws:\S+)/.exec(said)?.[1];
    await until(
      () => address() !== undefined || child.exitCode !== null,
      () => `Chromium does not start: ${said}`,
      START_MS_MAX,
    );
    const socket = new WebSocket(address()!);
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = reject;
    });
    return new Chromium(child, profile, socket);
  }

  async openPage(): Promise<Page> {
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    const page = new Page((method, params) => this.send(method, params, sessionId as string));
    this.#pages.set(sessionId as string, page);
    for (const domain of ["Page", "Runtime", "Log", "Network"]) await page.send(`${domain}.enable`);
    return page;
  }

  send(method: string, params: Parameters = {}, sessionId?: string): Promise<Record<string, unknown>> {
    const id = ++this.#lastId;
    const answer = Promise.withResolvers<Record<string, unknown>>();
    this.#waiting.set(id, answer);
    this.#socket.send(
      JSON.stringify({ id, method, params, ...(sessionId === undefined ? {} : { sessionId }) }),
    );
    return answer.promise;
  }

  async close(): Promise<void> {
    const exited = new Promise((resolve) => this.#child.once("exit", resolve));
    this.send("Browser.close").catch(() => {});
    await exited;
    this.#socket.close();
    rmSync(this.#profile, { recursive: true, force: true });
  }

  #hear({ id, method, params, sessionId, result, error }: Answer): void {
    if (id === undefined) {
      this.#pages.get(sessionId ?? "")?.hear(method ?? "", params ?? {});
      return;
    }
    const answer = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) answer?.resolve(result ?? {});
    else answer?.reject(new Error(error.message));
  }
}

export class Page {
  /** What the console shows in red: errors, exceptions, missing files, and what the page's policy forbids. */
  readonly errors: string[] = [];
  /** Addresses that the page asked for. */
  readonly requests: string[] = [];
  readonly send: (method: string, params?: Parameters) => Promise<Record<string, unknown>>;

  constructor(send: Page["send"]) {
    this.send = send;
  }

  hear(method: string, params: Record<string, unknown>): void {
    const text = JSON.stringify(params);
    if (method === "Runtime.exceptionThrown") this.errors.push(text);
    if (method === "Runtime.consoleAPICalled" && params.type === "error") this.errors.push(text);
    if (method === "Log.entryAdded" && /"level":"(?:error|warning)"/.test(text)) this.errors.push(text);
    if (method === "Network.requestWillBeSent") {
      this.requests.push((params.request as { url: string }).url);
    }
  }

  async goTo(url: string): Promise<void> {
    await this.send("Page.navigate", { url });
    await this.until<boolean>(
      `location.href === ${JSON.stringify(url)} && document.readyState === "complete"`,
    );
  }

  /** The value of an expression, as JSON carries it; promises are waited for. */
  async evaluate<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails !== undefined) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`);
    return (result as { value: T }).value;
  }

  /** The text of the first element that a selector finds. */
  text(selector: string): Promise<string> {
    return this.evaluate(`document.querySelector(${JSON.stringify(selector)})?.textContent ?? ""`);
  }

  /** Waits until an expression is true. */
  async until<T>(expression: string, deadlineMs = 15_000): Promise<void> {
    await until(
      async () => Boolean(await this.evaluate<T>(expression)),
      () => `the page is not so that ${expression}`,
      deadlineMs,
    );
  }

  async press(key: string): Promise<void> {
    const code = key === "Tab" ? 9 : 13;
    const event = { key, code: key, windowsVirtualKeyCode: code, ...(key === "Enter" ? { text: "\r" } : {}) };
    await this.send("Input.dispatchKeyEvent", { type: "keyDown", ...event });
    await this.send("Input.dispatchKeyEvent", { type: "keyUp", ...event });
  }

  async resize(width: number, height: number): Promise<void> {
    const mobile = width < 600;
    await this.send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile });
  }

  async prefer(scheme: "light" | "dark"): Promise<void> {
    const features = [{ name: "prefers-color-scheme", value: scheme }];
    await this.send("Emulation.setEmulatedMedia", { features });
  }

  /** A picture of what is in view, PNG. */
  async screenshot(): Promise<Uint8Array> {
    const { data } = await this.send("Page.captureScreenshot", { format: "png" });
    return Uint8Array.fromBase64(data as string);
  }
}
