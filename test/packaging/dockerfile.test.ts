/** The image, as far as that can be tried without Docker: its steps run here, on what of the repository it is given. */
import { afterAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { loadConfigFile } from "../../src/config/load.ts";
import { ServerProcess } from "../support/server_process.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const BUILD_MS = 60_000;

interface Instruction {
  readonly word: string;
  readonly argument: string;
}

interface Stage {
  readonly base: string;
  readonly name: string;
  readonly instructions: readonly Instruction[];
}

const stages = readStages(readFileSync(join(root, "Dockerfile"), "utf8"));
const [build, image] = stages as [Stage, Stage];
const context = mkdtempSync(join(tmpdir(), "midge-context-"));
copyContext();

afterAll(() => rmSync(context, { recursive: true }));

describe("the Dockerfile", () => {
  test("has two stages, with one Debian", () => {
    expect(stages.map(({ base }) => base)).toEqual(["node:24-trixie-slim", "debian:trixie-slim"]);
  });

  test("copies what .dockerignore lets through", () => {
    const copies = stages.flatMap(({ instructions }) => all(instructions, "COPY"));
    const sources = copies
      .filter((copy) => !copy.startsWith("--from="))
      .flatMap((copy) => copy.split(" ").slice(0, -1));
    expect(sources).toContain("src");
    expect(sources.filter((source) => !existsSync(join(context, source)))).toEqual([]);
    expect(copies.filter((copy) => copy.startsWith("--from="))).toEqual([
      "--from=build /midge/dist/midge-$RUNTIME /usr/local/bin/nats-server",
    ]);
  });

  test("is given no tests, nor anything that is not copied", () => {
    const files = readdirSync(context, { recursive: true, encoding: "utf8" });
    expect(files.filter((file) => file.endsWith(".test.ts"))).toEqual([]);
    expect(files.filter((file) => !file.includes("/")).sort()).toEqual(
      ["docker", "package-lock.json", "package.json", "scripts", "src", "workers"].sort(),
    );
  });

  test.skipIf(spawnSync("npm", ["-v"]).status !== 0)(
    "builds the executable that it then copies",
    () => {
      const folder = mkdtempSync(join(tmpdir(), "midge-image-"));
      try {
        // Installing finds everything there: registries are for those who build images.
        symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
        for (const { word, argument } of build.instructions) {
          if (word === "COPY") copyInto(folder, argument);
          else if (word === "RUN") runStep(folder, argument);
        }
        const [copy = ""] = all(image.instructions, "COPY");
        const [, made = ""] = copy.replace("$RUNTIME", "bun").split(" ");
        const executable = join(folder, made.slice("/midge/".length));
        const { stdout } = spawnSync(executable, ["-v"], { encoding: "utf8" });
        expect(stdout).toBe("nats-server: v2.15.2\n");
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
    BUILD_MS,
  );

  test("starts as the image of nats-server does, as nobody in particular", () => {
    expect(JSON.parse(only(image, "ENTRYPOINT"))).toEqual(["nats-server"]);
    expect(JSON.parse(only(image, "CMD"))).toEqual(["--config", "/etc/nats/nats-server.conf"]);
    expect(only(image, "EXPOSE")).toBe("4222 8222 6222");
    const uid = Number(only(image, "USER"));
    expect(uid).toBeGreaterThan(0);
    expect(only(image, "RUN")).toContain(`--uid ${uid} `);
  });

  test("has a configuration with the ports it exposes", () => {
    expect(all(image.instructions, "COPY")).toContain("docker/nats-server.conf /etc/nats/nats-server.conf");
    const loaded = loadConfigFile(join(root, "docker/nats-server.conf"));
    if (!loaded.ok) throw new Error(loaded.lines.join("\n"));
    expect(loaded.warnings).toEqual([]);
    expect(loaded.options).toMatchObject({ host: "0.0.0.0", port: 4222, httpPort: 8222 });
  });

  test("asks a server for its health, and tells one from none", async () => {
    const [, command = ""] = /CMD (\[.*\])$/.exec(only(image, "HEALTHCHECK")) ?? [];
    const [program, ...words] = JSON.parse(command) as [string, ...string[]];
    const check = (port: number) =>
      spawnSync(
        program,
        words.map((word) => word.replace("8222", `${port}`)),
        { stdio: "ignore" },
      ).status;
    // In a process of its own: the check blocks this one.
    const server = await ServerProcess.start({ monitoring: true });
    const port = server.monitoringPort;
    try {
      expect(check(port)).toBe(0);
    } finally {
      await server.stop();
    }
    expect(check(port)).toBe(1);
  });
});

/** The stages of a Dockerfile: no here-documents, no escapes but of line ends, both of which ours does without. */
function readStages(text: string): Stage[] {
  const stages: Stage[] = [];
  let instructions: Instruction[] = [];
  const lines = text
    .replaceAll(/^#.*\n/gm, "")
    .replaceAll(/\\\n\s*/g, "")
    .split("\n");
  for (const line of lines) {
    const [, word, argument = ""] = /^([A-Z]+) (.*)$/.exec(line) ?? [];
    if (word === undefined) continue;
    if (word === "FROM") {
      const [base = "", , name = ""] = argument.split(" ");
      instructions = [];
      stages.push({ base, name, instructions });
    } else instructions.push({ word, argument });
  }
  return stages;
}

function all(instructions: readonly Instruction[], wanted: string): string[] {
  return instructions.filter(({ word }) => word === wanted).map(({ argument }) => argument);
}

/** Of an instruction that is there once. */
function only({ instructions }: Stage, wanted: string): string {
  const found = all(instructions, wanted);
  expect(found).toHaveLength(1);
  return found[0]!;
}

/** Copies what Docker would be sent: patterns of .dockerignore, of which the last that matches decides. */
function copyContext(): void {
  const patterns = readFileSync(join(root, ".dockerignore"), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  const [first, ...others] = patterns;
  expect(first).toBe("*");
  const readmitted = others.filter((pattern) => pattern.startsWith("!")).map((pattern) => pattern.slice(1));
  const endings = others
    .filter((pattern) => !pattern.startsWith("!"))
    .map((pattern) => {
      expect(pattern).toStartWith("**/*");
      return pattern.slice("**/*".length);
    });
  for (const path of readmitted) {
    cpSync(join(root, path), join(context, path), {
      recursive: true,
      filter: (file) => !endings.some((ending) => file.endsWith(ending)),
    });
  }
}

/** `COPY source… target`: the content of folders, files by their names where the target is a folder. */
function copyInto(folder: string, argument: string): void {
  const sources = argument.split(" ");
  const target = join(folder, sources.pop()!);
  for (const source of sources) {
    const from = join(context, source);
    // "./" and "scripts/" are folders.
    const isInFolder = !statSync(from).isDirectory() && argument.endsWith("/");
    const to = isInFolder ? join(target, basename(source)) : target;
    mkdirSync(dirname(to), { recursive: true });
    cpSync(from, to, { recursive: true });
  }
}

function runStep(folder: string, command: string): void {
  const env = { ...process.env, RUNTIME: "bun" };
  const { status, stdout, stderr } = spawnSync("sh", ["-c", command], { cwd: folder, env, encoding: "utf8" });
  if (status !== 0) throw new Error(`${command}: ${status}\n${stdout}${stderr}`);
}
