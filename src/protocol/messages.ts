// Bytes a server sends to a client. The lines with a subject, MSG and HMSG, are the engine's; here are
// the rest and the one message that the server itself makes up.

const encoder = new TextEncoder();

export const OK_LINE = encoder.encode("+OK\r\n");
export const PING_LINE = encoder.encode("PING\r\n");
export const PONG_LINE = encoder.encode("PONG\r\n");

/** Returns `-ERR '<text>'␍␊`; a text comes from errors.ts and is not escaped. */
export function errorLine(text: string): Uint8Array {
  return encoder.encode(`-ERR '${text}'\r\n`);
}

const HMSG = encoder.encode("HMSG ");
const STATUS_503 = encoder.encode("NATS/1.0 503\r\nNats-Subject: ");
const CR_LF = encoder.encode("\r\n");
const SPACE = 0x20;

/** The header block ends with two line ends. */
const HEADER_BYTES_WITHOUT_SUBJECT = STATUS_503.length + 4;

/**
 * Returns the message that tells a requester that nobody listens on `subject` (as mapped): status 503
 * to its `reply` subject, for its subscription `sid`, without payload. Source: nats-server
 * `processInboundClientMsg` since 2.12; earlier versions do not name the subject.
 */
export function noRespondersMessage(reply: Uint8Array, sid: Uint8Array, subject: Uint8Array): Uint8Array {
  const headerBytes = HEADER_BYTES_WITHOUT_SUBJECT + subject.length;
  const sizes = encoder.encode(` ${headerBytes} ${headerBytes}\r\n`);
  const message = new Uint8Array(
    HMSG.length + reply.length + 1 + sid.length + sizes.length + headerBytes + CR_LF.length,
  );
  let at = 0;
  const append = (part: Uint8Array) => {
    message.set(part, at);
    at += part.length;
  };
  append(HMSG);
  append(reply);
  message[at++] = SPACE;
  append(sid);
  append(sizes);
  append(STATUS_503);
  append(subject);
  append(CR_LF);
  append(CR_LF);
  append(CR_LF);
  return message;
}
