/** An authority whose responder is asked without a network, and what it certifies; for tests. */
import { X509Certificate } from "node:crypto";
import { type CheckedCertificate, checkedCertificate } from "../../src/server/ocsp/certificate.ts";
import type { Ask } from "../../src/server/ocsp/responder.ts";
import type { CacheLog } from "../../src/server/ocsp/response_cache.ts";
import { CertificateMaker, type KeyPair } from "./certificates.ts";
import { OcspResponder } from "./ocsp_responder.ts";

export interface TestAuthority {
  readonly maker: CertificateMaker;
  readonly pair: KeyPair;
  readonly responder: OcspResponder;
  /** What was asked so far. */
  readonly asked: string[][];
  /** Requests fail while this is set. */
  isAway: boolean;
  readonly ask: Ask;
  /** A certificate that sends whoever checks it to the responder. */
  make(subject: string, extensions?: readonly string[]): KeyPair;
  remove(): Promise<void>;
}

export async function createAuthority(): Promise<TestAuthority> {
  const maker = new CertificateMaker();
  const pair = maker.makeAuthority("Test CA");
  const responder = await OcspResponder.start(maker, pair);
  const authority: TestAuthority = {
    maker,
    pair,
    responder,
    asked: [],
    isAway: false,
    ask: async (urls, request) => {
      authority.asked.push([...urls]);
      if (authority.isAway) return { ok: false, reason: "it is away" };
      return { ok: true, bytes: Uint8Array.from(responder.answer(request)) };
    },
    make: (subject, extensions = []) =>
      maker.make({ subject, extensions: [responder.extension, ...extensions], issuer: pair }),
    remove: async () => {
      await responder.stop();
      maker.remove();
    },
  };
  return authority;
}

export function derOf({ cert }: KeyPair): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(new X509Certificate(cert).raw);
}

export function checked(pair: KeyPair): CheckedCertificate {
  return checkedCertificate(derOf(pair))!;
}

/** A log that keeps its lines, each behind its level. */
export function keptLog(): CacheLog & { readonly lines: string[] } {
  const lines: string[] = [];
  const keep = (level: string) => (text: string) => void lines.push(`${level}: ${text}`);
  return { lines, debug: keep("debug"), notice: keep("notice"), warn: keep("warn"), error: keep("error") };
}
