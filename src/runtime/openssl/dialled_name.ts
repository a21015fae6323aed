/** The name of a server that is dialled: the one that it is asked for, and that its certificate must have. */
import { assert } from "../../base/assert.ts";
import { isIpAddress } from "../posix/socket_address.ts";
import {
  SSL_CTRL_SET_TLSEXT_HOSTNAME,
  TLSEXT_NAMETYPE_HOST_NAME,
  X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
  X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS,
} from "./libssl.ts";
import type { OpenSsl } from "./openssl.ts";

/** Go looks only at alternative names, in which `*` stands for a whole label. */
const NAME_FLAGS = X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;

/**
 * Makes an `SSL` the client of a server with this host name or IP address. The server is told the name that it is asked
 * for, but not an address. Source: Go crypto/tls `hostnameInSNI`.
 */
export function setServerName(openSsl: OpenSsl, connection: number, serverName: string): void {
  const { functions } = openSsl;
  const name = serverName.replace(/\.$/, "");
  functions.SSL_set_connect_state(connection);
  functions.SSL_set_hostflags(connection, NAME_FLAGS);
  // Without a name, OpenSSL would accept any.
  const isTaken = name !== "" && functions.SSL_set1_host(connection, openSsl.addressOfText(name)) === 1;
  assert(isTaken, "a server that is dialled has a name to be verified");
  if (isIpAddress(name)) return;
  functions.SSL_ctrl(
    connection,
    SSL_CTRL_SET_TLSEXT_HOSTNAME,
    TLSEXT_NAMETYPE_HOST_NAME,
    openSsl.addressOfText(name),
  );
}
