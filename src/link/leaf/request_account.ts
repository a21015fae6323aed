import { REQUEST_INFO_HEADER } from "../../account/request_info.ts";
import { encodeGoJson } from "../../protocol/go_json.ts";
import { type MessageBytes, withHeader } from "../../protocol/set_header.ts";
import { byteStringOf, byteStringOfText, textOf } from "../../subject/byte_string.ts";

/**
 * Changes a request that leaves over a leaf link: if `Nats-Request-Info` names an account that has another name at the
 * hub, it becomes that name, which `remoteAccountOf` knows. Everything else stays as it is. Accounts are byte strings.
 *
 * Source: nats-server client.go, checkLeafClientInfoHeader.
 */
export function withRemoteAccount(
  content: MessageBytes,
  remoteAccountOf: (account: string) => string | undefined,
): MessageBytes {
  const info = requestInfoOf(content);
  if (info === null || typeof info.acc !== "string") return content;
  const account = byteStringOfText(info.acc);
  const remoteAccount = remoteAccountOf(account);
  if (remoteAccount === undefined || remoteAccount === account) return content;
  const value = encodeGoJson({ ...info, acc: textOf(remoteAccount) }, 0);
  return withHeader(content, REQUEST_INFO_HEADER, value);
}

function requestInfoOf({ bytes, headerBytes }: MessageBytes): Record<string, unknown> | null {
  if (headerBytes === 0) return null;
  const block = byteStringOf(bytes, 0, headerBytes);
  const start = block.indexOf(`\r\n${REQUEST_INFO_HEADER}:`);
  if (start < 0) return null;
  const valueStart = start + REQUEST_INFO_HEADER.length + 3;
  const valueEnd = block.indexOf("\r\n", valueStart);
  try {
    const info: unknown = JSON.parse(textOf(block.slice(valueStart, valueEnd)));
    const isObject = typeof info === "object" && info !== null && !Array.isArray(info);
    return isObject ? (info as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
