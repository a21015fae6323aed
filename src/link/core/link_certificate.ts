import { findCertificateUser } from "../../auth/certificate.ts";
import type { LoginLog, PeerIdentity } from "../../auth/login.ts";

/** How a block's TLS options judge the certificates of peers that connect. */
export interface CertificateRules {
  /** `verify_and_map`: the block's user, which the certificate must name; null if the option is off. */
  readonly user: string | null;
  /** `verify_cert_and_check_known_urls`: the hosts of the block's configured URLs; null if the option is off. */
  readonly hosts: readonly string[] | null;
}

export interface CertificateVerdict {
  readonly isAuthorized: boolean;
  readonly log: LoginLog;
}

/**
 * Whether a peer may connect because of its certificate: the certificate names the user, or one of its DNS names is a
 * configured host. Credentials do not matter then.
 * Source: nats-server `isRouterAuthorized`, `isGatewayAuthorized`.
 */
export function judgeCertificate(
  identity: PeerIdentity | null,
  { user, hosts }: CertificateRules,
): CertificateVerdict {
  const known = hosts === null ? undefined : identity?.dnsNames.find((name) => isNameOf(name, hosts));
  if (known !== undefined) {
    const text = `Using SAN found in cert for auth [${JSON.stringify(known)}]`;
    return { isAuthorized: true, log: { level: "debug", text } };
  }
  // The user is compared as it stands, never part by part like a distinguished name.
  const users = { find: (name: string) => (name === user ? name : undefined), all: () => [] };
  const match = findCertificateUser<string>(identity, users);
  return { isAuthorized: match.user !== undefined, log: match.log };
}

/** Whether a DNS name, whose first label may be `*`, matches one of the hosts. */
function isNameOf(dnsName: string, hosts: readonly string[]): boolean {
  const labels = dnsName.toLowerCase().split(".");
  return hosts.some((host) => {
    const hostLabels = host.toLowerCase().split(".");
    if (hostLabels.length !== labels.length) return false;
    return labels.every((label, i) => (i === 0 && label === "*") || label === hostLabels[i]);
  });
}
