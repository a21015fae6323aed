/** The name of a server that is dialled: what it is asked for, and what its certificate must say. */
import { assert } from "../../base/assert.ts";
import { isIpAddress } from "../posix/socket_address.ts";
import {
  SSL_CTRL_SET_TLSEXT_HOSTNAME,
  TLSEXT_NAMETYPE_HOST_NAME,
  X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
  X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS,
} from "./libssl.ts";
import type { OpenSsl } from "./openssl.ts";

/** Go looks at alternative names alone, whose `*` stands for a whole label. */
const NAME_FLAGS = X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;

/**
 * Makes an `SSL` the client's side, of a server with this host name or IP address. The server is told the name it is asked
 * for, but not an address. Source: Go crypto/tls `hostnameInSNI`.
 */
export function setServerName(openSsl: OpenSsl, connection: number, serverName: string): void {
  const { functions } = openSsl;
  const name = serverName.replace(/\.$/, "");
  functions.SSL_set_connect_state(connection);
  functions.SSL_set_hostflags(connection, NAME_FLAGS);
  // Without a name OpenSSL would take any.
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
