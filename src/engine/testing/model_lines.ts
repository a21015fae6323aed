/** The lines that the engine takes without the host, as regular expressions. */
import { CONNECTION_TAKES_HEADERS, IN_PLACE_BYTES_MAX } from "../../memory/layout.ts";
import {
  CONTROL_LINE_BYTES_MAX,
  type ConnectionSpecification,
  type LinkKind,
  type Message,
  namesAccounts,
} from "./specification.ts";

const PUB = /PUB ([^\0- ]+) (?:([^\0- ]+) )?([0-9]{1,9})\r\n/y;
const HPUB = /HPUB ([^\0- ]+) (?:([^\0- ]+) )?([0-9]{1,9}) ([0-9]{1,9})\r\n/y;
const RMSG = /RMSG ([^\0- ]{1,112}) ([^\0- ]+) (?:([^\0- ]+) )?([0-9]{1,9})\r\n/y;
const HMSG_OF_ACCOUNT = /HMSG ([^\0- ]{1,112}) ([^\0- ]+) (?:([^\0- ]+) )?([0-9]{1,9}) ([0-9]{1,9})\r\n/y;
const RMSG_OF_ONE = /RMSG ([^\0- ]+) (?:([^\0- ]+) )?([0-9]{1,9})\r\n/y;
const LMSG = /LMSG ([^\0- ]+) (?:([^\0- ]+) )?([0-9]{1,9})\r\n/y;
const HMSG = /HMSG ([^\0- ]+) (?:([^\0- ]+) )?([0-9]{1,9}) ([0-9]{1,9})\r\n/y;
const FORMS: Readonly<Record<LinkKind, readonly RegExp[]>> = {
  route: [RMSG, HMSG_OF_ACCOUNT],
  dedicated: [RMSG_OF_ONE, HMSG],
  gateway: [RMSG, HMSG_OF_ACCOUNT],
  leaf: [LMSG, HMSG],
};
const TRACE_REQUEST = /\nNats-Trace-Dest:/;
const RESERVED = /^(_R|_G|\$J|\$G)/;

/** The complete, plain publication at `at`, or undefined. */
export function parse(
  input: string,
  at: number,
  connection: ConnectionSpecification,
): { message: Message; end: number } | undefined {
  const line = parseLine(input, at, connection);
  if (line === undefined) return undefined;
  const { payloadStart, payloadEnd, ...message } = line;
  if (input.slice(payloadEnd, payloadEnd + 2) !== "\r\n") return undefined;
  const payload = input.slice(payloadStart, payloadEnd);
  if (TRACE_REQUEST.test(payload.slice(0, Math.max(message.headerLength, 0)))) return undefined;
  return {
    message: { ...message, payload, isReceived: true },
    end: payloadEnd + 2,
  };
}

/** The plain line at `at`, and where its payload lies, which may not be there yet. */
export function parseLine(input: string, at: number, connection: ConnectionSpecification) {
  const { link, payloadBytesMax } = connection;
  const namesAccount = namesAccounts(link);
  const found = plainLineAt(input, at, connection);
  if (found === null || found[0].trimEnd().length - found[0].indexOf(" ") - 1 > CONTROL_LINE_BYTES_MAX)
    return undefined;
  const account = namesAccount ? found[1]! : "";
  const [subject, reply = "", ...numbers] = found.slice(namesAccount ? 2 : 1);
  if (numbers.some((digits) => digits!.length > 1 && digits!.startsWith("0"))) return undefined;
  if (RESERVED.test(reply)) return undefined;
  if (link !== undefined && (RESERVED.test(subject!) || reply === "|" || reply === "+")) return undefined;
  const size = Number(numbers.at(-1));
  const headerLength = numbers.length === 1 ? -1 : Number(numbers[0]);
  if (headerLength > size || size > payloadBytesMax || size > IN_PLACE_BYTES_MAX) return undefined;
  const rest = [reply, ...numbers].filter((word) => word !== "");
  const payloadStart = at + found[0].length;
  return {
    account,
    subject: subject!,
    line: `${rest.join(" ")}\r\n`,
    reply,
    headerLength,
    payloadStart,
    payloadEnd: payloadStart + size,
  };
}

function plainLineAt(input: string, at: number, { link, flags }: ConnectionSpecification) {
  const ofClient = flags & CONNECTION_TAKES_HEADERS ? [PUB, HPUB] : [PUB];
  for (const form of link === undefined ? ofClient : FORMS[link]) {
    form.lastIndex = at;
    const found = form.exec(input);
    if (found !== null) return found;
  }
  return null;
}
