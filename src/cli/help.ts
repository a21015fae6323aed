import { DEMO_COMMAND, KEY_COMMANDS } from "./commands.ts";
import { FLAG_SECTIONS, type Flag } from "./flags.ts";

/** What `-h` prints: every flag, by section; and the commands, unless the program was called nats-server. */
export function usageText(program: string): string {
  const sections = Object.entries(FLAG_SECTIONS).map(
    ([title, flags]) => `${title}:\n${flags.map(describeFlag).join("\n")}`,
  );
  const commands = program === "nats-server" ? "" : describeCommands(program);
  return `Usage: ${program} [flags]
${commands}
Flags take one or two dashes and win over the configuration file.

${sections.join("\n\n")}

Signals: quit, term and stop end a server, reopen reopens its log file, reload reads its
configuration again, ldm closes its clients slowly and then ends it.
`;
}

function describeCommands(program: string): string {
  const lines = Object.entries(KEY_COMMANDS).map(([word, doc]) => `    ${word.padEnd(12)}${doc}`);
  return `       ${program} COMMAND

Commands for operators, accounts and users; --help after each says more:
${lines.join("\n")}

And to see servers together:
    ${DEMO_COMMAND.padEnd(12)}start a cluster, a supercluster, or a hub with a leaf node on this machine
`;
}

const DOC_COLUMN = 34;

/** A flag as it is usually written: short flags, and flags in capitals, have one dash. */
export function writtenFlag(name: string): string {
  return /^(..?|[A-Z]+)$/.test(name) ? `-${name}` : `--${name}`;
}

function describeFlag({ names, value, doc }: Flag): string {
  const written = names.map(writtenFlag).join(", ");
  const left = `    ${written} ${value}`.trimEnd();
  return left.length < DOC_COLUMN
    ? `${left.padEnd(DOC_COLUMN)}${doc}`
    : `${left}\n${" ".repeat(DOC_COLUMN)}${doc}`;
}

/** What `--help_tls` prints. */
export function tlsHelpText(): string {
  return `TLS is configured in the file given with -c:

    tls {
      cert_file: "server.pem"     # certificate of the server
      key_file:  "server-key.pem" # its private key
      ca_file:   "ca.pem"         # authorities that client certificates are verified against
      verify:    true             # require a client certificate
      timeout:   2                # seconds a handshake may take
      min_version: "1.3"          # the oldest version accepted; 1.2 if absent
    }

cluster, gateway, leafnodes, their remotes and websocket take a tls block of their own.
Suites and key exchange groups can be narrowed with cipher_suites and curve_preferences,
by their IANA names and by X25519, CurveP256, CurveP384, CurveP521 and X25519MLKEM768.
`;
}
