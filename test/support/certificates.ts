import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A certificate with its key: PEM files, and their texts for a client. */
export interface KeyPair {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

/** How a certificate is made. */
export interface CertificateRequest {
  /** As `openssl req -subj` takes it: `/C=US/O=Acme/CN=x`. */
  readonly subject: string;
  /** Lines of an extension file: `subjectAltName=DNS:localhost`. */
  readonly extensions?: readonly string[];
  /** Signed by this one; by its own key if left out. */
  readonly issuer?: KeyPair;
  /** Below 0 for one that has expired. */
  readonly days?: number;
  readonly key?: "ec" | "rsa";
}

/**
 * Makes certificates with the `openssl` program, in a folder of its own. Neither Bun nor Deno can make them, and
 * committed ones expire.
 */
export class CertificateMaker {
  readonly folder = mkdtempSync(join(tmpdir(), "midge-certificates-"));
  #count = 0;

  make({ subject, extensions = [], issuer, days = 30, key = "ec" }: CertificateRequest): KeyPair {
    const name = join(this.folder, `${++this.#count}`);
    const keyFile = `${name}.key`;
    const certFile = `${name}.pem`;
    const requestFile = `${name}.csr`;
    const extensionFile = `${name}.ext`;
    const keyOptions =
      key === "rsa" ? ["-newkey", "rsa:2048"] : ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    run("req", "-new", ...keyOptions, "-nodes", "-subj", subject, "-keyout", keyFile, "-out", requestFile);
    writeFileSync(extensionFile, extensions.join("\n"));
    const signer =
      issuer === undefined
        ? ["-signkey", keyFile]
        : ["-CA", issuer.certFile, "-CAkey", issuer.keyFile, "-CAcreateserial"];
    const period = ["-days", `${days}`, "-extfile", extensionFile];
    run("x509", "-req", "-in", requestFile, "-out", certFile, ...signer, ...period);
    return {
      certFile,
      keyFile,
      cert: readFileSync(certFile, "utf8"),
      key: readFileSync(keyFile, "utf8"),
    };
  }

  /** An authority that may sign others. */
  makeAuthority(name: string): KeyPair {
    return this.make({ subject: `/CN=${name}`, extensions: ["basicConstraints=critical,CA:TRUE"] });
  }

  /** A server's, for localhost and 127.0.0.1. */
  makeServer(name: string, issuer: KeyPair, key: "ec" | "rsa" = "ec"): KeyPair {
    const extensions = ["subjectAltName=DNS:localhost,IP:127.0.0.1", "extendedKeyUsage=serverAuth"];
    return this.make({ subject: `/CN=${name}`, extensions, issuer, key });
  }

  /** One for a server that others of its kind dial, and that dials them: for localhost and 127.0.0.1. */
  makePeer(name: string, issuer: KeyPair): KeyPair {
    const extensions = [
      "subjectAltName=DNS:localhost,IP:127.0.0.1",
      "extendedKeyUsage=serverAuth,clientAuth",
    ];
    return this.make({ subject: `/CN=${name}`, extensions, issuer });
  }

  /** A client's. */
  makeClient(subject: string, issuer: KeyPair, more: Partial<CertificateRequest> = {}): KeyPair {
    return this.make({ subject, extensions: ["extendedKeyUsage=clientAuth"], issuer, ...more });
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function run(...words: string[]): void {
  execFileSync("openssl", words, { stdio: ["ignore", "ignore", "pipe"] });
}
