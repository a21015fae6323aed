/** A link that notes what it is told and sent, for tests of code that uses links. */
import type { InterestKey, Link, LinkConnection, LinkMessage } from "../link.ts";

export interface TestLink extends Link {
  /** `<account> <subject>[ <queue>][ @<origin>] <weight>` for each announcement. */
  readonly announced: string[];
  readonly sent: { readonly message: LinkMessage; readonly queues: readonly string[] }[];
}

let lastId = 0;

export function testLink(properties: Partial<Link> & Pick<Link, "kind" | "role">): TestLink {
  const announced: string[] = [];
  const sent: TestLink["sent"] = [];
  const connection: LinkConnection = {
    id: ++lastId,
    remoteIp: "127.0.0.1",
    remotePort: 1,
    send() {},
    close() {},
    startTls() {},
    startWebSocket() {},
    compress() {},
  };
  const account = properties.kind === "leaf" ? "$G" : null;
  return {
    connection,
    account,
    remoteId: `N${lastId}`,
    carries: (name) => account === null || name === account,
    cluster: "",
    isIsolated: false,
    takesHeaders: true,
    serverName: "",
    tracesMessages: true,
    rttMs: 0,
    announced,
    sent,
    announce(key: InterestKey, weight: number) {
      const words = [
        key.account,
        key.subject,
        key.queue,
        key.origin === "" ? "" : `@${key.origin}`,
        `${weight}`,
      ];
      announced.push(words.filter((word) => word !== "").join(" "));
    },
    maySend: () => true,
    messagePrefix: (account, subject) => `RMSG ${account} ${subject} `,
    sendMessage(message, queues) {
      sent.push({ message, queues });
      return true;
    },
    ...properties,
  };
}
