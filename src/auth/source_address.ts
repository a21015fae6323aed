import { BlockList, isIP } from "node:net";

/** `src` of a user JWT: the networks a client may come from. */

/**
 * Whether `ip` is in one of the networks, each an address and a length as in `10.0.0.0/8`. An IPv4 address written
 * as IPv6 counts as IPv4. No network at all admits every address; one that cannot be read admits none.
 * Source: nats-server jwt.go, validateSrc.
 */
export function isSourceAllowed(ip: string, networks: readonly string[]): boolean {
  if (networks.length === 0) return true;
  if (isIP(ip) === 0) return false;
  const allowed = new BlockList();
  for (const network of networks) {
    const [address = "", length = "", ...more] = network.split("/");
    const family = isIP(address);
    const lengthMax = family === 4 ? 32 : 128;
    if (family === 0 || more.length > 0 || !/^\d{1,3}$/.test(length) || Number(length) > lengthMax)
      return false;
    allowed.addSubnet(address, Number(length), familyName(family));
  }
  return allowed.check(ip, familyName(isIP(ip)));
}

function familyName(family: number): "ipv4" | "ipv6" {
  return family === 4 ? "ipv4" : "ipv6";
}
