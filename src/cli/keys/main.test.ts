import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decode, decodeAs } from "../../auth/jwt/decode.ts";
import { readKey, readToken } from "../../auth/jwt/decorated.ts";
import { validate } from "../../auth/jwt/validate.ts";
import { KeyPair, roleOf } from "../../auth/nkey.ts";
import { COMMANDS, runKeyTool } from "./main.ts";
import { Store } from "./store.ts";

const NOW_SECONDS = 1_800_000_000;
const SEED = /\bS[OAU][A-Z2-7]{56}\b/;

let root: string;
let folder: string;
let count = 0;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "midge-keys-"));
});

afterAll(() => {
  rmSync(root, { recursive: true });
});

/** Each test has a folder with what init made. */
beforeEach(async () => {
  folder = join(root, `acme${count++}`);
  await run("init", folder, "--operator", "acme");
});

interface Outcome {
  readonly code: number;
  readonly printed: string;
  readonly complaint: string;
}

async function attempt(words: readonly string[], nowSeconds = NOW_SECONDS): Promise<Outcome> {
  let [printed, complaint] = ["", ""];
  const session = {
    print: (text: string) => {
      printed += `${text}\n`;
    },
    nowSeconds: () => nowSeconds,
  };
  const code = await runKeyTool(words, session, (text) => {
    complaint += `${text}\n`;
  });
  return { code, printed, complaint };
}

/** Runs a command that must succeed, and returns what it printed, in which no seed may stand. */
async function run(...words: string[]): Promise<string> {
  const { code, printed, complaint } = await attempt(words);
  expect({ code, complaint }).toEqual({ code: 0, complaint: "" });
  expect(printed).not.toMatch(SEED);
  return printed;
}

/** The same in the folder of the test. */
const here = (...words: string[]) => run(...words, "--dir", folder);

/** Runs a command that must fail, and returns what it complains about. */
async function refused(...words: string[]): Promise<string> {
  const { code, printed, complaint } = await attempt([...words, "--dir", folder]);
  expect({ code, printed }).toEqual({ code: 1, printed: "" });
  return complaint.trimEnd();
}

const store = () => Store.open(folder, undefined);
const account = (name = "app") => store().account(name).claims;
const user = (name = "app", of = "app") => store().user(of, name).claims;

function filesUnder(path: string): string[] {
  return readdirSync(path, { recursive: true, encoding: "utf8" }).filter((file) =>
    statSync(join(path, file)).isFile(),
  );
}

describe("midge init", () => {
  test("makes an operator that signs with a signing key, and names the system account", () => {
    const operator = store().operator().claims;
    expect(operator).toMatchObject({ name: "acme", issuer: operator.subject, issuedAtSeconds: NOW_SECONDS });
    const [signingKey = ""] = operator.nats.signingKeys;
    expect(account("SYS").subject).toBe(operator.nats.systemAccount);
    expect(operator.nats).toMatchObject({
      operatorServiceUrls: ["nats://localhost:4222"],
      accountServerUrl: "nats://localhost:4222",
    });
    for (const name of ["SYS", "app"]) expect(account(name).issuer).toBe(signingKey);
    for (const claims of [operator, account("SYS"), account("app"), user("sys", "SYS"), user()]) {
      expect(validate(claims, NOW_SECONDS)).toEqual([]);
    }
  });

  test("writes creds with which a user logs in", () => {
    const creds = readFileSync(store().credsPath("app", "app"), "utf8");
    const decoded = decodeAs("user", readToken(creds));
    expect(decoded).toEqual({ ok: true, claims: user() });
    expect(readKey(creds)?.publicKey).toBe(user().subject);
    expect(user().issuer).toBe(account().subject);
  });

  test("keeps what it writes from everybody else, but for the server's configuration", () => {
    const files = filesUnder(folder);
    expect(files.length).toBeGreaterThan(12);
    for (const file of files) {
      const isPublic = file === "server.conf";
      expect(statSync(join(folder, file)).mode & 0o077).toBe(isPublic ? 0o044 : 0);
    }
    expect(readFileSync(join(folder, "server.conf"), "utf8")).not.toMatch(SEED);
  });

  test("preloads all accounts, and midge config those that came later", async () => {
    const config = readFileSync(join(folder, "server.conf"), "utf8");
    for (const token of [store().operator(), store().account("SYS"), store().account("app")].map(
      ({ token }) => token,
    )) {
      expect(config).toContain(token);
    }
    expect(config).toContain("port: 4222");
    await here("account", "add", "late");
    await here("config");
    expect(readFileSync(join(folder, "server.conf"), "utf8")).toContain(account("late").subject);
  });

  test("keeps out of an operator that is there already, and refuses names that are no file names", async () => {
    expect((await attempt(["init", folder, "-o", "acme"])).complaint).toMatch(
      /stores\/acme is there already/,
    );
    expect((await attempt(["init", folder, "-o", "a/b"])).complaint).toMatch(
      /operator "a\/b": a name may not/,
    );
    expect((await attempt(["init", folder, "-a", "SYS"])).complaint).toMatch(/name of the system account/);
    expect((await attempt(["init", folder, "--port", "70000"])).complaint).toMatch(/use 1 to 65535/);
  });
});

describe("midge operator", () => {
  test("add and list: a folder may hold several, of which one is chosen", async () => {
    await here("operator", "add", "other", "--sk", "generate");
    expect((await here("operator", "list")).split("\n")).toHaveLength(3);
    expect(await refused("account", "list")).toMatch(/choose with --operator acme or other/);
    expect(await here("account", "list", "--operator", "other")).toBe("");
  });

  test("edit changes what is given and nothing else", async () => {
    await here(
      "operator",
      "edit",
      "--service-url",
      "tls://a:4222,tls://b:4222",
      "--strict",
      "yes",
      "--tag",
      "Prod ",
    );
    const { nats } = store().operator().claims;
    expect(nats).toMatchObject({
      operatorServiceUrls: ["nats://localhost:4222", "tls://a:4222", "tls://b:4222"],
      strictSigningKeyUsage: true,
      systemAccount: account("SYS").subject,
      tags: ["prod"],
    });
    expect(await refused("operator", "edit", "--service-url", "http://a")).toMatch(
      /operator acme would not be valid: operator service url "http:\/\/a" - protocol not supported/,
    );
  });

  test("sign signs accounts with the signing key there is now", async () => {
    const [before = ""] = store().operator().claims.nats.signingKeys;
    await here("operator", "edit", "--rm-sk", before, "--sk", "generate");
    await here("operator", "sign");
    const [after = ""] = store().operator().claims.nats.signingKeys;
    expect(after).not.toBe(before);
    expect([account("SYS").issuer, account().issuer]).toEqual([after, after]);
  });

  test("a strict operator has accounts sign users with signing keys", async () => {
    await here("operator", "edit", "--strict", "yes");
    expect(await refused("user", "add", "bob")).toMatch(/no signing key, which its operator demands/);
    await here("account", "edit", "app", "--sk", "generate");
    await here("user", "add", "bob");
    expect(user("bob").nats.issuerAccount).toBe(account().subject);
    expect(account().nats.signingKeys.has(user("bob").issuer)).toBe(true);
  });
});

describe("midge account", () => {
  test("add and edit set limits, default permissions and what else is given", async () => {
    await here("account", "add", "orders", "--conns", "5", "--payload", "64K", "--deny-pub", "a,b.>");
    await here(
      "account",
      "edit",
      "orders",
      "--conns",
      "unlimited",
      "--rm",
      "a",
      "--description",
      "of orders",
    );
    const { nats } = account("orders");
    expect(nats.limits).toMatchObject({ maxConnections: -1, maxPayloadBytes: 65_536, maxSubscriptions: -1 });
    expect(nats.defaultPermissions.publish).toEqual({ allow: [], deny: ["b.>"] });
    expect(nats.description).toBe("of orders");
    expect(await here("account", "list")).toMatch(
      /^SYS {5}A.*system account\napp {5}A.*1 user\norders {2}A.*0 users\n$/,
    );
    expect(await refused("account", "add", "orders")).toMatch(/account orders is there already/);
    expect(await refused("account", "edit", "nobody")).toBe(
      'midge: no account "nobody" of acme: there is SYS, app, orders',
    );
  });

  test("role makes users that take all their rights from it", async () => {
    await here("account", "role", "app", "reader", "--allow-sub", "in.{{name()}}.>", "--payload", "1K");
    await here("user", "add", "bob", "--role", "reader", "--tag", "t:1");
    const scope = account().nats.signingKeys.get(user("bob").issuer);
    expect(scope).toMatchObject({ role: "reader", template: { maxPayloadBytes: 1024 } });
    expect(user("bob").nats).toMatchObject({ maxPayloadBytes: 0, maxSubscriptions: 0, tags: ["t:1"] });
    expect(await refused("user", "edit", "bob", "--bearer", "yes")).toMatch(
      /has role reader, which gives all its rights/,
    );
    await here("user", "sign", "bob", "--expiry", "1h");
    expect(user("bob").expiresAtSeconds).toBe(NOW_SECONDS + 3600);
    expect(account().nats.signingKeys.get(user("bob").issuer)?.role).toBe("reader");
    await here("account", "role", "app", "reader", "--delete");
    expect(account().nats.signingKeys.size).toBe(0);
    expect(await refused("user", "add", "carl", "--role", "reader")).toMatch(
      /no role "reader" in account app/,
    );
  });

  test("export, activate and import share a private subject", async () => {
    await here("account", "add", "buyer");
    const token = join(folder, "activation.jwt");
    await here(
      "account",
      "export",
      "app",
      "orders.*",
      "--private",
      "yes",
      "--service",
      "--response-type",
      "Stream",
    );
    await here(
      "account",
      "activate",
      "app",
      "orders.*",
      token,
      "--importer",
      "buyer",
      "--service",
      "--expiry",
      "30d",
    );
    const share = ["account", "import", "buyer", "orders.*", "--from", "app", "--service"];
    await here(...share, "--token", token, "--local-subject", "o.$1");
    expect(account().nats.exports).toMatchObject([
      { subject: "orders.*", tokenRequired: true, responseType: "Stream" },
    ]);
    expect(account("buyer").nats.imports).toMatchObject([
      { subject: "orders.*", account: account().subject, localSubject: "o.$1", kind: "service" },
    ]);
    expect(validate(account("buyer"), NOW_SECONDS)).toEqual([]);
    expect(await run("describe", token)).toMatch(/May import\s+service orders\.\*/);
    await here("account", "export", "app", "orders.*", "--service", "--revoke", "buyer");
    await here("account", "export", "app", "orders.*", "--service", "--private", "no");
    expect(account().nats.exports[0]).toMatchObject({ tokenRequired: false, responseType: "Stream" });
    expect(account().nats.exports[0]?.revocations.get(account("buyer").subject)).toBe(NOW_SECONDS);
    expect(await refused("account", "export", "app", "a.*", "--account-token-position", "x")).toMatch(
      /use a number/,
    );
    await here(...share, "--delete");
    expect(account("buyer").nats.imports).toEqual([]);
    expect(await refused(...share, "--delete")).toMatch(/has no import of the service "orders\.\*"/);
    expect(await refused("account", "import", "buyer", "x", "--from", "app", "--token", "none")).toMatch(
      /--token: cannot read none: ENOENT/,
    );
  });

  test("delete removes all but seeds, and never the system account", async () => {
    const key = store().account("app").claims.subject;
    expect(await here("account", "delete", "app")).toContain(`midge push --delete ${key}`);
    expect(store().accountNames()).toEqual(["SYS"]);
    expect(existsSync(join(folder, "keys/creds/acme/app"))).toBe(false);
    expect(await refused("account", "delete", "SYS")).toMatch(/is the system account and cannot be deleted/);
  });
});

describe("midge user", () => {
  test("add and edit set rights", async () => {
    await here(
      ...["user", "add", "bob", "--allow-pub", "a.>", "--allow-pubsub", "b", "--deny-sub", "c workers"],
      ...[
        "--allow-responses",
        "3",
        "--response-ttl",
        "90s",
        "--source-network",
        "10.0.0.0/8",
        "--bearer",
        "yes",
      ],
      ...["--time", "08:00:00-17:30:00", "--locale", "Europe/Berlin", "--conn-type", "websocket"],
    );
    expect(user("bob").nats).toMatchObject({
      publish: { allow: ["a.>", "b"], deny: [] },
      subscribe: { allow: ["b"], deny: ["c workers"] },
      responses: { maxMessages: 3, ttlNs: 90e9 },
      sources: ["10.0.0.0/8"],
      bearerToken: true,
      times: [{ start: "08:00:00", end: "17:30:00" }],
      timesLocation: "Europe/Berlin",
      allowedConnectionTypes: ["WEBSOCKET"],
    });
    await here(
      "user",
      "edit",
      "bob",
      "--rm",
      "b",
      "--allow-responses",
      "no",
      "--rm-time",
      "08:00:00-17:30:00",
    );
    expect(user("bob").nats).toMatchObject({
      publish: { allow: ["a.>"], deny: [] },
      subscribe: { allow: [], deny: ["c workers"] },
      responses: undefined,
      times: [],
      bearerToken: true,
    });
  });

  test("values that mean nothing are refused, with the option and a remedy", async () => {
    const add = (...words: string[]) => refused("user", "add", "bob", ...words);
    expect(await add("--expiry", "soon")).toMatch(/^midge: --expiry "soon": use a span from now/);
    expect(await add("--payload", "much")).toMatch(/^midge: --payload "much": use a number/);
    expect(await add("--bearer", "maybe")).toBe('midge: --bearer "maybe": use yes or no');
    expect(await add("--time", "8-17")).toMatch(/use a window such as/);
    expect(await add("--conn-type", "X25")).toMatch(/use STANDARD, WEBSOCKET/);
    expect(await add("--source-network", "10.0.0.0")).toMatch(/would not be valid: invalid cidr "10.0.0.0"/);
    expect(await add("--colour", "red")).toMatch(/--colour.*\nusage: midge user add NAME \[options\]$/s);
    expect(await refused("user", "add")).toMatch(/user add: NAME is missing/);
    expect(await refused("user", "add", "a", "b")).toMatch(/"b" is one word too many/);
    expect(await refused("user", "add", "../bob")).toMatch(/a name may not be empty/);
    expect(store().userNames("app")).toEqual(["app"]);
  });

  test("a key made elsewhere gets a token and no creds file", async () => {
    const { publicKey } = KeyPair.create("user");
    expect(await here("user", "add", "bob", "--public-key", publicKey)).toMatch(/its seed is not here/);
    expect(user("bob").subject).toBe(publicKey);
    expect(existsSync(store().credsPath("app", "bob"))).toBe(false);
    expect(await refused("user", "creds", "bob")).toMatch(/no seed of user bob/);
    expect(await refused("user", "add", "carl", "--public-key", account().subject)).toMatch(
      /use a user's public key/,
    );
  });

  test("revoke holds for what was issued so far, until the user is signed again", async () => {
    await here("user", "revoke", "app");
    expect([...account().nats.revocations]).toEqual([[user().subject, NOW_SECONDS]]);
    expect(await here("user", "list")).toMatch(/revoked/);
    // In the same second, too.
    await here("user", "sign", "app");
    expect(user().issuedAtSeconds).toBe(NOW_SECONDS + 1);
    expect(await here("user", "list")).not.toMatch(/revoked/);
    await here("user", "revoke", "app", "--undo");
    await here("user", "revoke", "*", "--at", "2027-01-01");
    expect([...account().nats.revocations]).toEqual([["*", Date.UTC(2027, 0, 1) / 1000]]);
    await here("user", "revoke", "*", "--at", "1d");
    expect(await here("user", "sign", "app")).toMatch(/it is revoked in account app until 2027-01-16/);
  });

  test("creds go to a file, and to the terminal only when asked", async () => {
    const path = join(folder, "bob.creds");
    writeFileSync(path, "old");
    chmodSync(path, 0o644);
    await here("user", "creds", "app", path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readKey(readFileSync(path, "utf8"))?.publicKey).toBe(user().subject);
    const { printed } = await attempt(["user", "creds", "app", "--print", "--dir", folder]);
    expect(printed).toMatch(SEED);
  });

  test("delete removes the seed and the creds file, and revokes when asked", async () => {
    const { subject } = user();
    const creds = store().credsPath("app", "app");
    await here("user", "delete", "app", "--revoke");
    expect([existsSync(creds), store().key(subject), store().userNames("app")]).toEqual([
      false,
      undefined,
      [],
    ]);
    expect(account().nats.revocations.get(subject)).toBe(NOW_SECONDS);
  });

  test("the account must be named when there are several", async () => {
    await here("account", "add", "orders");
    expect(await refused("user", "add", "bob")).toBe("midge: choose an account with --account app or orders");
    await here("user", "add", "bob", "-a", account("orders").subject);
    expect(store().userNames("orders")).toEqual(["bob"]);
  });
});

describe("midge describe", () => {
  test("shows a token, a file, or JSON, and never a seed", async () => {
    const { token } = store().user("app", "app");
    const shown = await run("describe", token);
    expect(shown).toMatch(/^user JWT\n {2}Name +app\n/);
    expect(await run("describe", store().credsPath("app", "app"))).toBe(shown);
    expect(JSON.parse(await run("describe", token, "--json"))).toMatchObject({
      name: "app",
      nats: { type: "user" },
    });
    const every = await Promise.all([here("operator", "describe"), here("account", "describe", "SYS")]);
    expect(every.join()).toMatch(/Signing keys.*account at token 4/s);
  });

  test("says what is wrong with what it was given", async () => {
    const { complaint, code } = await attempt(["describe", "none.jwt"]);
    expect([complaint, code]).toEqual([
      "midge: none.jwt: no such file, and no JWT, which would begin with eyJ\n",
      1,
    ]);
    expect((await attempt(["describe", "eyJ.x"])).complaint).toMatch(/holds no valid JWT: expected 3 chunks/);
    const expired = await attempt(["describe", store().user("app", "app").token]);
    expect(expired.printed).not.toMatch(/Note/);
  });
});

describe("midge nkey", () => {
  test("writes a seed that nobody else can read, and prints its public key", async () => {
    for (const [role, letter] of [
      ["user", "U"],
      ["curve", "X"],
      ["server", "N"],
    ] as const) {
      const path = join(folder, `${role}.nk`);
      const publicKey = (await run("nkey", role, path)).trimEnd();
      expect(publicKey.slice(0, 1)).toBe(letter);
      expect(statSync(path).mode & 0o777).toBe(0o600);
      expect(readKey(readFileSync(path, "utf8"))?.publicKey).toBe(publicKey);
      expect(await run("nkey", path)).toBe(`${publicKey}\n`);
      expect((await attempt(["nkey", role, path])).complaint).toMatch(
        /is there already, and is not overwritten/,
      );
    }
  });

  test("prints a seed only when asked, and the public key of a creds file", async () => {
    const { printed } = await attempt(["nkey", "user", "--print"]);
    const [seed = "", publicKey] = printed.split("\n");
    expect(KeyPair.fromSeed(seed)?.publicKey).toBe(publicKey ?? "");
    expect(await run("nkey", store().credsPath("app", "app"))).toBe(`${user().subject}\n`);
    expect((await attempt(["nkey", "user"])).complaint).toMatch(/name a file for the seed, such as user\.nk/);
    expect((await attempt(["nkey", "king"])).complaint).toMatch(/use one of user, account/);
    expect((await attempt(["nkey", join(folder, "server.conf")])).complaint).toMatch(/holds no seed/);
  });
});

describe("the store", () => {
  test("refuses a token that was damaged, and a seed of another key", async () => {
    const path = join(folder, "stores/acme/accounts/app/app.jwt");
    writeFileSync(path, readFileSync(path, "utf8").slice(0, -5));
    expect(await refused("account", "describe", "app")).toMatch(/app\.jwt holds no valid JWT of the account/);
    const key = store().operator().claims.subject;
    writeFileSync(
      join(folder, "keys/keys/O", key.slice(1, 3), `${key}.nk`),
      KeyPair.create("operator").encodeSeed(),
    );
    expect(await refused("operator", "edit")).toMatch(/does not hold the seed of its key/);
  });

  test("says which file could not be written", async () => {
    const { code, complaint } = await attempt(["init", join(folder, "server.conf", "x")]);
    expect([code, complaint]).toEqual([
      1,
      expect.stringMatching(/^midge: (ENOTDIR|EEXIST|ENOENT).*server\.conf/),
    ]);
    await here("operator", "add", "other");
    expect(await refused("config", "--operator", "other")).toMatch(/operator other has no system account/);
  });

  test("says when a seed is missing", async () => {
    rmSync(join(folder, "keys/keys/O"), { recursive: true });
    expect(await refused("account", "edit", "app")).toMatch(
      /no seed of operator acme in the store.*looked for O/,
    );
    expect(await attempt(["account", "list", "--dir", join(root, "nowhere")])).toMatchObject({ code: 1 });
  });
});

describe("help", () => {
  test("each command describes itself, in lines that fit a terminal", async () => {
    for (const { name, options } of COMMANDS) {
      const text = await run(...name.split(" "), "--help");
      for (const option of options) expect(text).toContain(`--${option.name}`);
      for (const line of text.split("\n")) expect(line.length).toBeLessThanOrEqual(112);
    }
  });

  test("a group lists its commands; an unknown one is refused", async () => {
    expect(await run("user")).toMatch(/user add .*user revoke/s);
    expect(await refused("user", "paint")).toMatch(/no command "user paint".*user add/s);
  });
});

test("keys and tokens in the store are what their names say", () => {
  for (const file of filesUnder(folder)) {
    const text = readFileSync(join(folder, file), "utf8");
    const [name = ""] = file.split("/").at(-1)?.split(".") ?? [];
    if (file.endsWith(".nk"))
      expect([readKey(text)?.publicKey, roleOf(name)]).toEqual([name, readKey(text)?.role]);
    if (file.endsWith(".jwt")) expect(decode(text)).toMatchObject({ ok: true, claims: { name } });
  }
});
