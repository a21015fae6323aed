import { expect } from "bun:test";
import { expectRefused, type Login, login } from "../support/login.ts";
import { Operator, signature } from "../support/operator.ts";
import { row, rowsInParallel, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";
import { startFailure } from "../support/start_failure.ts";
import { WebSocketPeer } from "../support/websocket_peer.ts";

const VIOLATION = "-ERR 'Authorization Violation'";

const websocket = (more = "") => `websocket { listen: "127.0.0.1:-1", no_tls: true, ${more} }`;

const USERS = `authorization { users: [
  { user: a, password: p }
  { user: tcp, password: p, allowed_connection_types: ["STANDARD"] }
  { user: web, password: p, allowed_connection_types: ["websocket"] }
] }`;

const server = sharedServer({ config: `${websocket()}\n${USERS}` });

/** What the server says first to a login over a WebSocket, with these header lines: `PONG` or an `-ERR` line. */
async function loginOverWebSocket(
  server: ServerProcess,
  credentials: Login,
  headers: readonly string[] = [],
): Promise<string> {
  const peer = await WebSocketPeer.open(server, { headers });
  const fields = typeof credentials === "function" ? credentials(String(peer.info.nonce)) : credentials;
  peer.send(`CONNECT ${JSON.stringify({ verbose: false, ...fields })}\r\nPING\r\n`);
  const answer = await peer.readLine();
  peer.destroy();
  return answer;
}

row("§8.24 connection types: who may connect over a websocket, and who over TCP", async () => {
  for (const [user, web] of [
    ["a", "PONG"],
    ["web", "PONG"],
    ["tcp", VIOLATION],
  ] as const) {
    expect(await loginOverWebSocket(server(), { user, pass: "p" })).toBe(web);
  }
  (await login(server(), { user: "tcp", pass: "p" })).destroy();
  await expectRefused(server(), { user: "web", pass: "p" });
});

row("§1.2 a login over a websocket fails like any", async () => {
  expect(await loginOverWebSocket(server(), { user: "a", pass: "x" })).toBe(VIOLATION);
  expect(await loginOverWebSocket(server(), {})).toBe(VIOLATION);
});

rowsInParallel({
  "§1.2 cookies stand in for what CONNECT leaves empty": async () => {
    await using own = await ServerProcess.start({
      config: `${websocket(`user_cookie: "u", pass_cookie: "w"`)}\n${USERS}`,
    });
    const cookie = (text: string) => [`Cookie: ${text}`];
    expect(await loginOverWebSocket(own, {}, cookie("u=a; w=p"))).toBe("PONG");
    expect(await loginOverWebSocket(own, {}, cookie("u=a; w=x"))).toBe(VIOLATION);
    expect(await loginOverWebSocket(own, {}, cookie("u=a"))).toBe(VIOLATION);
    expect(await loginOverWebSocket(own, { user: "a", pass: "p" }, cookie("u=nobody; w=x"))).toBe("PONG");
    expect(await loginOverWebSocket(own, {})).toBe(VIOLATION);
  },

  "§1.2 a token's cookie": async () => {
    await using own = await ServerProcess.start({
      config: `${websocket(`token_cookie: "t"`)}\nauthorization { token: t0ken }`,
    });
    expect(await loginOverWebSocket(own, {}, ["Cookie: t=t0ken"])).toBe("PONG");
    expect(await loginOverWebSocket(own, {}, ["Cookie: t=other"])).toBe(VIOLATION);
  },

  "§1.2 a JWT's cookie: a bearer's alone, or with the signature in CONNECT": async () => {
    const operator = new Operator();
    const account = operator.account("a");
    await using own = await ServerProcess.start({
      config: `${websocket(`jwt_cookie: "jwt"`)}\n${operator.configWithMemory(account)}`,
    });
    const bearer = account.user({ bearer_token: true });
    const user = account.user();
    expect(await loginOverWebSocket(own, {}, [`Cookie: jwt=${bearer.jwt}`])).toBe("PONG");
    expect(await loginOverWebSocket(own, {}, [`Cookie: jwt=${user.jwt}`])).toBe(VIOLATION);
    expect(
      await loginOverWebSocket(own, (nonce) => ({ sig: signature(user.key, nonce) }), [
        `Cookie: jwt=${user.jwt}`,
      ]),
    ).toBe("PONG");
    const web = account.user({ bearer_token: true, allowed_connection_types: ["WEBSOCKET"] });
    expect(await loginOverWebSocket(own, { jwt: web.jwt })).toBe("PONG");
    await expectRefused(own, { jwt: web.jwt });
  },

  "§1.3 a websocket's own user and token": async () => {
    await using user = await ServerProcess.start({
      config: `${websocket("authorization { username: w, password: p }")}\nauthorization { user: u, password: p }`,
    });
    expect(await loginOverWebSocket(user, { user: "w", pass: "p" })).toBe("PONG");
    expect(await loginOverWebSocket(user, { user: "u", pass: "p" })).toBe(VIOLATION);
    await expectRefused(user, { user: "w", pass: "p" });
    await login(user, { user: "u", pass: "p" });
    await using token = await ServerProcess.start({ config: websocket("authorization { token: t }") });
    expect(await loginOverWebSocket(token, { auth_token: "t" })).toBe("PONG");
    expect(await loginOverWebSocket(token, {})).toBe(VIOLATION);
    await login(token, {});
  },

  "§1.3 a websocket's own no_auth_user, with no CONNECT at all": async () => {
    await using own = await ServerProcess.start({ config: `${websocket("no_auth_user: a")}\n${USERS}` });
    expect(await loginOverWebSocket(own, {})).toBe("PONG");
    await expectRefused(own, {});
    const peer = await WebSocketPeer.open(own);
    await peer.roundTrip();
    peer.destroy();
  },

  "§7.4 what a websocket may not be configured with": async () => {
    expect(
      await startFailure(`${websocket("authorization { username: w, password: p }")}\n${USERS}`),
    ).toContain("websocket authentication username not compatible with presence of users/nkeys");
    expect(await startFailure(websocket(`jwt_cookie: "jwt"`))).toContain(
      `trusted operators or trusted keys configuration is required for JWT authentication via cookie "jwt"`,
    );
  },
});
