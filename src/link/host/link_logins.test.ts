import { describe, expect, test } from "bun:test";
import { compileLoginRules } from "../../auth/login_rules.ts";
import { optionsOf, requestOf } from "../../auth/testing/requests.ts";
import { undecidedRefusal } from "../../auth/verdict.ts";
import { STATE_CLOSING, STATE_CONNECTED, STATE_WAITING } from "../../shard/connection.ts";
import type { LoginQuestion } from "../../shard/shard_messages.ts";
import { OPTIONS } from "../../shard/testing/shard_harness.ts";
import type { HostLink } from "./host_link.ts";
import { ShardLinkLogins } from "./link_logins.ts";
import { linkConnection } from "./testing/link_connection.ts";

const HASH = "$2b$04$kFkXCu8SYVvvXXWTvWVSjuMHO5NHsaAB4fM1Nrn7OSVVwLJ2Vl2hS";
const REFUSAL = undecidedRefusal(requestOf(), "authorization violation");

/** A connection to the port of routes or leaf nodes, for which this password is configured. */
function setUp(password: string) {
  const rules = compileLoginRules(
    optionsOf(`
      cluster { port: 1, authorization { user: u, password: "${password}" } }
      leafnodes { port: 1, authorization { user: u, password: "${password}" } }`),
    "",
  );
  const done: string[] = [];
  const asked: LoginQuestion[] = [];
  const logins = new ShardLinkLogins({
    options: { ...OPTIONS, login: { rules, timeoutMs: 2000, calloutTargets: [] } },
    node: 5,
    ask: (question) => void asked.push(question),
    log: (_level, text) => void done.push(text),
    holdInput: () => void done.push("holds"),
    resumeInput: () => void done.push("resumes"),
  });
  const connection = linkConnection();
  connection.state = STATE_CONNECTED;
  const logIn = (given: string, isAgain = false) => {
    const link = { connection, trust: () => done.push("trusted") } as unknown as HostLink;
    const login = { user: "u", password: given };
    logins.judgeServer("route", link, login, isAgain, (isIn) => done.push(isIn ? "in" : "out"));
  };
  return { logins, connection, asked, done, logIn };
}

describe("ShardLinkLogins.judge()", () => {
  test("logs the server's warnings, behind what the link logs of the verdict", () => {
    const { logins, connection, done } = setUp(HASH);
    const link = { connection } as unknown as HostLink;
    const { connect } = requestOf({ user: "u", password: "p" });
    const request = { connectionType: "LEAFNODE", nonce: "", connect, isImplicit: false } as const;
    logins.judge(link, request, ({ kind }) => done.push(kind));
    const logs = (["debug", "warning"] as const).map((level) => ({ level, text: level }));
    logins.answer(1, 7, { ...REFUSAL, logs });
    expect(done).toEqual(["refusal", "warning"]);
  });
});

describe("ShardLinkLogins.judgeServer()", () => {
  test("compares texts at once", () => {
    const { connection, asked, done, logIn } = setUp("p");
    logIn("p");
    logIn("q");
    expect([done, asked, connection.state]).toEqual([["trusted", "in", "out"], [], STATE_CONNECTED]);
  });

  test("leaves hashes to the logins thread, and takes nothing of the peer until it has answered", () => {
    const { logins, connection, asked, done, logIn } = setUp(HASH);
    logIn("p");
    expect([done, connection.state]).toEqual([["holds"], STATE_WAITING]);
    expect(asked[0]).toMatchObject({ node: 5, slot: 1, clientId: 7, isAgain: false });
    expect(asked[0]?.request).toMatchObject({ server: "route", connect: { user: "u", password: "p" } });
    logins.answer(1, 8, REFUSAL);
    expect(done).toEqual(["holds"]);
    logins.answer(1, 7, REFUSAL);
    expect([done, connection.state]).toEqual([["holds", "resumes", "out"], STATE_CONNECTED]);
  });

  test("does not open a connection again that is being closed", () => {
    const { logins, connection, done, logIn } = setUp(HASH);
    logIn("p");
    connection.state = STATE_CLOSING;
    logins.answer(1, 7, REFUSAL);
    expect([done, connection.state]).toEqual([["holds", "out"], STATE_CLOSING]);
  });

  test("holds up nobody who is in already", () => {
    const { connection, asked, done, logIn } = setUp(HASH);
    logIn("p", true);
    expect([done, asked[0]?.isAgain, connection.state]).toEqual([[], true, STATE_CONNECTED]);
  });
});
