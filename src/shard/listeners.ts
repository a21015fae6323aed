/** The ports that a server's clients come in by, as numbers that cross threads and name contexts of TLS. */

export const CLIENT_LISTENER = 0;
export const WEBSOCKET_LISTENER = 1;
