import type { TlsOptions } from "../../config/tls.ts";
import { peerIdentity } from "../../shard/client/peer_identity.ts";
import type { LinkConnection } from "../core/link.ts";
import { type CertificateVerdict, judgeCertificate } from "../core/link_certificate.ts";
import { parseRouteUrl } from "../route/route_url.ts";
import type { HostLink } from "./host_link.ts";

/**
 * Whether a peer may connect because of its certificate; null if the block does not decide by certificates. `urls` are
 * those of the configured members or clusters.
 */
export function certificateVerdict(
  link: LinkConnection,
  tls: TlsOptions | undefined,
  user: string,
  urls: readonly string[],
): CertificateVerdict | null {
  if (!tls?.verifyAndMap && !tls?.verifyAndCheckKnownUrls) return null;
  const { connection } = link as HostLink;
  const hosts = urls.flatMap((url) => parseRouteUrl(url)?.host ?? []);
  return judgeCertificate(peerIdentity(connection), {
    user: tls.verifyAndMap ? user : null,
    hosts: tls.verifyAndCheckKnownUrls ? hosts : null,
  });
}
