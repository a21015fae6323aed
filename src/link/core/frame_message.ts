import type { LinkMessage } from "./link.ts";

/** The form of a link's messages after their prefix. */
export interface MessageForm {
  /** Whether it is the `LMSG` of a route, which always has a header size, 0 without headers. */
  readonly hasOrigin: boolean;
  /** Whether the other side takes headers; if not, they are left out. */
  readonly takesHeaders: boolean;
}

const VERB_CHARACTERS = 4;

/**
 * Frames a message for a link: for everybody with plain interest and for the named queue groups.
 *
 * `prefix` is the line up to the blank after the subject (`Link.messagePrefix`); the `RMSG` in it, or the `LMSG` of a
 * leaf link, becomes `HMSG` when there are headers. Source: clusters.md 3.12, leafnodes.md 5.
 */
export function frameMessage(
  prefix: string,
  message: LinkMessage,
  queues: readonly string[],
  form: MessageForm,
): Uint8Array<ArrayBuffer> {
  const { bytes, headerBytes } = message.content;
  const keepsHeaders = headerBytes > 0 && form.takesHeaders;
  const content = keepsHeaders ? bytes : bytes.subarray(headerBytes);

  const start = keepsHeaders && !form.hasOrigin ? `HMSG${prefix.slice(VERB_CHARACTERS)}` : prefix;
  const replyPart = message.reply === "" ? "" : `${message.reply} `;
  const queuePart = queues.length === 0 ? "" : `${queues.join(" ")} `;
  const indicator = queues.length === 0 ? "" : message.reply === "" ? "| " : "+ ";
  const headerSize = keepsHeaders ? `${headerBytes} ` : form.hasOrigin ? "0 " : "";
  const line = `${start}${indicator}${replyPart}${queuePart}${headerSize}${content.length}\r\n`;

  const framed = new Uint8Array(line.length + content.length + 2);
  for (let i = 0; i < line.length; i++) framed[i] = line.charCodeAt(i);
  framed.set(content, line.length);
  framed[framed.length - 2] = 0x0d;
  framed[framed.length - 1] = 0x0a;
  return framed;
}
