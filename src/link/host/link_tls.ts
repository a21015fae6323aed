/** The TLS of links: what handshakes are made with, by the names that protocols know, and which keys are pinned. */
import type { TlsLayer, TlsSession } from "../../runtime/tls.ts";
import { keyIdOf } from "../../shard/client/peer_identity.ts";
import type { LinkTlsBlocks } from "../../shard/links/links_setup.ts";

export class LinkTlsContexts {
  readonly #layer: TlsLayer;
  #blocks: LinkTlsBlocks = {};

  constructor(layer: TlsLayer) {
    this.#layer = layer;
  }

  /**
   * Handshakes from now on go by these. Returns what is wrong with some, which are used as they were before, if they were
   * there.
   */
  configure(blocks: LinkTlsBlocks): readonly string[] {
    const problems: string[] = [];
    for (const name of Object.keys(this.#blocks)) {
      if (!(name in blocks)) this.#layer.useContext(name, null);
    }
    for (const [name, { context }] of Object.entries(blocks)) {
      try {
        this.#layer.useContext(name, context);
      } catch (error) {
        problems.push(`TLS of ${name} stays as it was: ${(error as Error).message}`);
      }
    }
    this.#blocks = blocks;
    return problems;
  }

  /** Whether handshakes can be made under this name: not where a hub wants TLS and there is no library for it. */
  has(name: string): boolean {
    return this.#layer.hasContext(name);
  }

  /** Whether main is to be asked about a peer's certificates. */
  checksPeers(name: string): boolean {
    return this.#blocks[name]?.checksPeers ?? false;
  }

  /** Whether a peer has one of the keys that it must have. */
  isPinned(name: string, { peerCertificates }: TlsSession): boolean {
    const pins = this.#blocks[name]?.pinnedCerts ?? [];
    const [leaf] = peerCertificates;
    return pins.length === 0 || (leaf !== undefined && pins.includes(keyIdOf(leaf)));
  }
}
