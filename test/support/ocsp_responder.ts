import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { CertificateMaker, KeyPair } from "./certificates.ts";

export type CertificateState = "good" | "revoked" | "unknown";

/** How responses are made. */
export interface ResponseOptions {
  /** Who signs them; the authority if left out. */
  readonly signer?: KeyPair;
  /** Minutes until there is a newer one; none is announced for 0. */
  readonly minutes?: number;
}

/** The OCSP responder of an authority: the `openssl` program's answers, over HTTP. */
export class OcspResponder {
  /** Methods of the requests so far. */
  readonly requests: string[] = [];
  /** What comes instead of answers; null for answers. */
  failure: { readonly status: number; readonly body: Uint8Array } | null = null;
  options: ResponseOptions = {};
  readonly #maker: CertificateMaker;
  readonly #authority: KeyPair;
  readonly #states = new Map<string, CertificateState>();
  readonly #server: Server;
  #count = 0;

  private constructor(maker: CertificateMaker, authority: KeyPair) {
    this.#maker = maker;
    this.#authority = authority;
    this.#server = createServer(async (request, response) => {
      this.requests.push(request.method ?? "");
      const asked = await requestOf(request);
      response.writeHead(this.failure?.status ?? 200, { "content-type": "application/ocsp-response" });
      response.end(this.failure?.body ?? this.answer(asked));
    });
  }

  static async start(maker: CertificateMaker, authority: KeyPair): Promise<OcspResponder> {
    const responder = new OcspResponder(maker, authority);
    await new Promise<void>((resolve) => responder.#server.listen(0, "127.0.0.1", resolve));
    return responder;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The line of an extension file that sends whoever checks a certificate here. */
  get extension(): string {
    return `authorityInfoAccess=OCSP;URI:${this.url}`;
  }

  setState({ cert }: KeyPair, state: CertificateState): void {
    this.#states.set(new X509Certificate(cert).serialNumber, state);
  }

  /** The response to a request, both DER. */
  answer(request: Uint8Array): Uint8Array {
    const name = join(this.#maker.folder, `ocsp-${++this.#count}`);
    const { signer = this.#authority, minutes = 60 } = this.options;
    writeFileSync(`${name}.index`, this.#index());
    writeFileSync(`${name}.request`, request);
    const files = ["-index", `${name}.index`, "-CA", this.#authority.certFile, "-rsigner", signer.certFile];
    const inOut = ["-rkey", signer.keyFile, "-reqin", `${name}.request`, "-respout", `${name}.response`];
    const period = minutes === 0 ? [] : ["-nmin", `${minutes}`];
    execFileSync("openssl", ["ocsp", ...files, ...inOut, ...period], { stdio: ["ignore", "ignore", "pipe"] });
    return readFileSync(`${name}.response`);
  }

  /** The authority's database, as `openssl ca` would keep it. */
  #index(): string {
    const lines = [...this.#states].flatMap(([serial, state]) => {
      if (state === "unknown") return [];
      const [letter, revoked] = state === "good" ? ["V", ""] : ["R", "260101000000Z"];
      return [`${letter}\t491231235959Z\t${revoked}\t${serial}\tunknown\t/CN=${serial}\n`];
    });
    return lines.join("");
  }

  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }
}

async function requestOf(request: IncomingMessage): Promise<Uint8Array> {
  if (request.method === "GET") {
    return Buffer.from(decodeURIComponent((request.url ?? "").slice(1)), "base64");
  }
  const pieces: Uint8Array[] = [];
  for await (const piece of request) pieces.push(piece);
  return Buffer.concat(pieces);
}
