import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { sha256Hex } from "../../base/sha256.ts";
import { parseCertificate } from "../../base/x509.ts";
import type { TlsContext, TlsLayer, TlsSession } from "../../runtime/tls.ts";
import { LinkTlsContexts } from "./link_tls.ts";

const path = new URL("../../../test/conformance/fixtures/server_cert.pem", import.meta.url);
const certificate = Uint8Array.fromBase64(readFileSync(path, "utf8").replace(/-----[A-Z ]+-----|\s/g, ""));
const keyId = sha256Hex(parseCertificate(certificate)!.publicKeyInfo);

const context = (clientContext: number): TlsContext => ({ kind: "openssl", contexts: [], clientContext });
const block = (clientContext: number, ...pinnedCerts: string[]) => ({
  context: context(clientContext),
  pinnedCerts,
  checksPeers: false,
});
const session = (...peerCertificates: Uint8Array[]): TlsSession => ({
  version: "1.3",
  cipherSuite: "TLS_AES_128_GCM_SHA256",
  peerCertificates,
  verifiedChain: peerCertificates,
});

/** A layer that keeps the contexts it is given, and refuses the one that `broken` returns. */
function layerOf(known: Map<string, TlsContext>, broken: () => TlsContext | null): TlsLayer {
  const unused = () => {
    throw new Error("not for this test");
  };
  return {
    useContext(name, given) {
      if (given === null) known.delete(name);
      else if (given === broken()) throw new Error("no such file");
      else known.set(name, given);
    },
    hasContext: (name) => known.has(name),
    peek: unused,
    startTls: unused,
    handshake: unused,
    handshakeError: unused,
    session: unused,
  };
}

describe("LinkTlsContexts", () => {
  test("makes contexts known, replaces them, and drops those that are gone", () => {
    const known = new Map<string, TlsContext>();
    const contexts = new LinkTlsContexts(layerOf(known, () => null));
    expect(contexts.configure({ cluster: block(1), "leaf:0": block(2) })).toEqual([]);
    expect([...known]).toEqual([
      ["cluster", context(1)],
      ["leaf:0", context(2)],
    ]);
    expect(contexts.configure({ cluster: block(3) })).toEqual([]);
    expect([...known]).toEqual([["cluster", context(3)]]);
    expect([contexts.has("cluster"), contexts.has("leaf:0")]).toEqual([true, false]);
  });

  test("keeps what it has where the new cannot be used, and says so", () => {
    const known = new Map<string, TlsContext>();
    const bad = block(2);
    const contexts = new LinkTlsContexts(layerOf(known, () => bad.context));
    contexts.configure({ cluster: block(1) });
    expect(contexts.configure({ cluster: bad })).toEqual(["TLS of cluster stays as it was: no such file"]);
    expect(known.get("cluster")).toEqual(context(1));
  });

  test("isPinned() wants one of the keys, where there are any", () => {
    const contexts = new LinkTlsContexts(layerOf(new Map(), () => null));
    contexts.configure({
      cluster: block(1, "00".repeat(32), keyId),
      gateway: block(2, "00".repeat(32)),
      leafnodes: block(3),
    });
    expect(contexts.isPinned("cluster", session(certificate))).toBe(true);
    expect(contexts.isPinned("cluster", session())).toBe(false);
    expect(contexts.isPinned("gateway", session(certificate))).toBe(false);
    expect(contexts.isPinned("leafnodes", session())).toBe(true);
  });
});
