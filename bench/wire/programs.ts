/** The two C programs of the wire bench, which are compiled if their sources are newer than they are. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, statSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));

/** Path of the load generator. TLS needs OpenSSL's headers. Throws if it can't be compiled. */
export function buildLoad(withTls: boolean): string {
  const sources = readdirSync(`${here}load`).map((name) => `${here}load/${name}`);
  return withTls ? build("load-tls", sources, ["-DWITH_TLS"], ["-lssl", "-lcrypto"]) : build("load", sources);
}

/** A certificate and its key, both PEM files. */
export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
}

/** The flags that turn TLS on, for nats-server and for Midge. */
export function tlsFlags({ certFile, keyFile }: Certificate): string[] {
  return ["--tls", "--tlscert", certFile, "--tlskey", keyFile];
}

/** Makes a certificate for servers under test. Throws without the `openssl` program. */
export function makeCertificate(): Certificate {
  const certFile = `${here}build/server.pem`;
  const keyFile = `${here}build/server.key`;
  mkdirSync(`${here}build`, { recursive: true });
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
  const words = ["req", "-x509", ...kind, "-subj", "/CN=localhost", "-keyout", keyFile, "-out", certFile];
  execFileSync("openssl", words, { stdio: "pipe" });
  return { certFile, keyFile };
}

/** Path of the floor, the server without features. Throws if it can't be compiled. */
export function buildFloor(): string {
  return build("floor", [`${here}floor.c`]);
}

function build(
  name: string,
  sources: readonly string[],
  flags: readonly string[] = [],
  libraries: readonly string[] = [],
): string {
  const program = `${here}build/${name}`;
  const changedMs = Math.max(...sources.map((source) => statSync(source).mtimeMs));
  if ((statSync(program, { throwIfNoEntry: false })?.mtimeMs ?? 0) > changedMs) return program;
  mkdirSync(`${here}build`, { recursive: true });
  const compiler = process.env.CC ?? "cc";
  const inputs = sources.filter((source) => source.endsWith(".c"));
  try {
    const warnings = ["-Wall", "-Wextra"];
    const words = ["-std=c11", "-O2", ...warnings, ...flags, "-o", program, ...inputs, ...libraries];
    execFileSync(compiler, words, { stdio: "pipe" });
  } catch (error) {
    throw new Error(
      `${compiler} could not compile ${name}; install a C compiler or name one in CC, for TLS also OpenSSL with its headers (bun run peers libssl-dev): ${error}`,
    );
  }
  return program;
}
