import { expect } from "bun:test";
import { Buffer } from "node:buffer";
import { deflated } from "../../src/protocol/websocket/testing/deflated.ts";
import { until } from "../support/deadline.ts";
import {
  ACCEPTED_KINDS,
  HOSTILE_KINDS,
  type HostileKind,
  HostilePeer,
  hostileConfig,
} from "../support/hostile_peer.ts";
import { RawListener } from "../support/raw_listener.ts";
import { rowsInParallel } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

// Other servers that mean harm, or are broken, by every kind of link: the log says what was wrong, the link is closed, and
// clients are served meanwhile.

const END_MS = 25_000;
/** Everything sent after a greeting is in order finds the link up. */
const UP_MS = 300;
/** A message of a client's that takes longer is not served, on a machine that does much else. */
const SERVED_MS = 15_000;
const SERVERS_AT_ONCE = 4;

const GARBAGE = new Uint8Array([0, 1, 2, 3, 13, 10, ...new Array<number>(200).fill(0xfe), 13, 10]);
/** The start of an S2 stream, and a chunk that claims to hold 64 MiB. */
const S2_BOMB = new Uint8Array([
  ...[0xff, 6, 0, 0, ...Buffer.from("S2sTwO"), 0, 0xff, 0xff, 0xff, 0, 0, 0, 0],
  ...new Array<number>(5000).fill(0xfe),
]);
/** Much more than a message may inflate to. Made before there are clients, whom the server asks whether they are there. */
const DEFLATE_BOMB = deflated(Buffer.alloc(32 * 1024 * 1024, "PING\r\n"));
const FLOOD_PAYLOAD = "f".repeat(64 * 1024);
const FLOOD_MESSAGES = 400;
const FLOOD_BATCH = 20;

/** What a peer does, and what the log says of it: why, and how the connection ended. */
interface Misdeed {
  readonly kinds: readonly HostileKind[];
  readonly act: (peer: HostilePeer, server: ServerProcess) => Promise<void> | void;
  readonly lines: (kind: HostileKind) => readonly RegExp[];
}

const NAMES = { route: "Router", gateway: "Gateway", leaf: "Leafnode" };

/** As log lines call a kind. */
function nameOf(kind: HostileKind): string {
  if (kind.includes("route")) return NAMES.route;
  return kind.includes("gateway") ? NAMES.gateway : NAMES.leaf;
}

const isAccepted = (kind: HostileKind) => ACCEPTED_KINDS.includes(kind);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function greet(peer: HostilePeer): Promise<void> {
  peer.introduce();
  await pause(UP_MS);
}

const closed = (kind: HostileKind, reason: string) =>
  new RegExp(`${nameOf(kind)} connection closed: ${reason}`);

/** What was no protocol; nats-server files what comes by WebSocket under errors of reading. */
const unparsed = (kind: HostileKind) => [
  new RegExp(`${nameOf(kind)} parser ERROR.*proto='`),
  closed(kind, kind === "leaf by WebSocket" ? "(Protocol Violation|Read Error)" : "Protocol Violation"),
];

/** A cluster name that this server has another peer of the kind by, or takes none of. */
function wrongCluster(kind: HostileKind): string {
  if (kind === "hub") return "has spaces";
  if (kind.includes("gateway")) return "GY";
  return kind.includes("route") ? "OTHER" : "C1";
}

function wrongClusterLines(kind: HostileKind): readonly RegExp[] {
  switch (kind) {
    case "route":
      return [
        /Rejecting connection, cluster name "OTHER" does not match "C1"/,
        closed(kind, "Cluster Name Conflict"),
      ];
    case "dialled route":
      return [closed(kind, "Cluster Name Conflict")];
    case "gateway":
      return [/Rejecting connection from gateway "GY"/, closed(kind, "Wrong Gateway")];
    case "dialled gateway":
      return [
        /Failing connection to gateway "GX", remote gateway name is "GY"/,
        closed(kind, "Wrong Gateway"),
      ];
    case "hub":
      return [/cluster name cannot contain spaces/, closed(kind, "Protocol Violation")];
    default:
      return [/remote leafnode has same cluster name/, closed(kind, "Cluster Names Identical")];
  }
}

const MISDEEDS: Readonly<Record<string, Misdeed>> = {
  "has a wrong cluster name": {
    kinds: HOSTILE_KINDS,
    act: (peer) => peer.introduce({ cluster: wrongCluster(peer.kind) }),
    lines: wrongClusterLines,
  },
  "has a wrong password": {
    kinds: ACCEPTED_KINDS,
    act: (peer) => peer.introduce({ password: "wrong" }),
    lines: (kind) => [/authentication error - User "peer"/, closed(kind, "Authentication Failure")],
  },
  "sends garbage instead of a greeting": {
    kinds: HOSTILE_KINDS,
    act: (peer) => peer.bytes(GARBAGE),
    lines: (kind) =>
      isAccepted(kind) ? [/authentication error$/, closed(kind, "Authentication Failure")] : unparsed(kind),
  },
  "sends garbage once it is up": {
    kinds: HOSTILE_KINDS,
    act: async (peer) => {
      await greet(peer);
      peer.bytes(GARBAGE);
    },
    lines: unparsed,
  },
  "sends S2 though nobody has agreed to compress": {
    kinds: HOSTILE_KINDS,
    act: async (peer) => {
      await greet(peer);
      peer.bytes(S2_BOMB);
    },
    lines: unparsed,
  },
  "says nothing instead of a greeting": {
    kinds: ACCEPTED_KINDS,
    act: () => {},
    lines: (kind) => [/Authentication Timeout$/, closed(kind, "Authentication Timeout")],
  },
  "says nothing any more once it is up": {
    kinds: HOSTILE_KINDS,
    act: (peer) => greet(peer),
    lines: (kind) => [closed(kind, "Stale Connection")],
  },
  "stops reading while much is sent to it": {
    // To a gateway that it has accepted a server sends no messages.
    kinds: HOSTILE_KINDS.filter((kind) => kind !== "gateway"),
    act: async (peer, server) => {
      await greet(peer);
      if (!peer.kind.includes("gateway"))
        peer.say(peer.kind.includes("route") ? "RS+ $G flood" : "LS+ flood");
      await pause(UP_MS);
      peer.stopReading();
      const publisher = await server.connectAs();
      for (let sent = 0; sent < FLOOD_MESSAGES; sent++) {
        await publisher.sendAll(`PUB flood ${FLOOD_PAYLOAD.length}\r\n${FLOOD_PAYLOAD}\r\n`);
        // Which answers what the server asks meanwhile.
        if (sent % FLOOD_BATCH === 0) await publisher.roundTrip(END_MS);
      }
    },
    lines: (kind) => [closed(kind, "(Stale Connection|Slow Consumer)")],
  },
  "sends a bomb of compressed bytes": {
    kinds: ["leaf by WebSocket"],
    act: async (peer) => {
      await greet(peer);
      peer.webSocket!.sendFrames({ payload: DEFLATE_BOMB, reserved: 0x40 });
    },
    lines: (kind) => [closed(kind, "Read Error")],
  },
};

/** Messages go from client to client until `done` settles; none of them takes long. */
async function serveUntil(server: ServerProcess, done: Promise<unknown>): Promise<void> {
  const [publisher, subscriber] = [await server.connectAs(), await server.connectAs()];
  subscriber.send("SUB served 1\r\n");
  await subscriber.roundTrip();
  let isDone = false;
  const settled = done.finally(() => {
    isDone = true;
  });
  // It is awaited below, where a failure of it is this one's.
  settled.catch(() => {});
  let served = 0;
  do {
    publisher.send(`PUB served 2\r\nhi\r\n`);
    await subscriber.expect("MSG served 1 2\r\nhi\r\n", SERVED_MS);
    served++;
    await pause(5);
  } while (!isDone);
  expect(served).toBeGreaterThan(0);
  await settled;
}

async function expectPunished(kind: HostileKind, { act, lines }: Misdeed): Promise<void> {
  await using listener = await RawListener.open();
  await using server = await ServerProcess.start({
    config: hostileConfig(kind, listener.address),
    flags: ["-D"],
  });
  const peer = await HostilePeer.meet(server, kind, listener);
  const address = isAccepted(kind) ? peer.address : listener.address;
  const said = () => server.log.split("\n").filter((line) => line.includes(address));
  const missing = () => lines(kind).filter((pattern) => !said().some((line) => pattern.test(line)));
  const punished = async () => {
    await act(peer, server);
    await until(
      () => missing().length === 0,
      () => `the log lacks ${missing().join(" and ")}; it says\n${said().join("\n")}`,
      END_MS,
    );
    peer.startReading();
    await until(
      () => peer.isClosed,
      () => "the connection is still open",
      END_MS,
    );
  };
  await serveUntil(server, punished());
  peer.destroy();
}

const rows: Record<string, () => Promise<void>> = {};
for (const [what, misdeed] of Object.entries(MISDEEDS)) {
  for (const kind of misdeed.kinds)
    rows[`hostile: a ${kind} that ${what}`] = () => expectPunished(kind, misdeed);
}
rowsInParallel(rows, SERVERS_AT_ONCE);
