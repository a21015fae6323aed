/** The TLS contexts of links, by the names that protocols use, and the keys that are pinned. */
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
   * Uses these contexts for handshakes from now on. Returns the problems with some of them, which stay as they were
   * before, if they existed.
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

  /** Whether there is a context with this name. There is none if a hub wants TLS but no TLS library was found. */
  has(name: string): boolean {
    return this.#layer.hasContext(name);
  }

  /** Whether main has to be asked about a peer's certificates. */
  checksPeers(name: string): boolean {
    return this.#blocks[name]?.checksPeers ?? false;
  }

  /** Whether a peer has one of the pinned keys, or no keys are pinned. */
  isPinned(name: string, { peerCertificates }: TlsSession): boolean {
    const pins = this.#blocks[name]?.pinnedCerts ?? [];
    const [leaf] = peerCertificates;
    return pins.length === 0 || (leaf !== undefined && pins.includes(keyIdOf(leaf)));
  }
}
