import { describe, expect, test } from "bun:test";
import { loadConfigText } from "../config/load.ts";
import { defaultOptions, type Options } from "../config/option_table.ts";
import { applyFlags, type CommandLine, FLAG_SECTIONS, parseCommandLine, redactArguments } from "./flags.ts";

function flagsOf(...args: string[]) {
  const parsed = parseCommandLine(args);
  return parsed.kind === "serve" ? parsed.flags : parsed;
}

describe("parseCommandLine()", () => {
  test("takes one or two dashes, and values beside the flag or after an equal sign", () => {
    for (const args of [["-p", "5"], ["--p", "5"], ["-p=5"], ["--port=5"], ["-port", "5"]]) {
      expect(flagsOf(...args)).toEqual({ port: 5 });
    }
    expect(flagsOf("--pass=a=b")).toEqual({ password: "a=b" });
    expect(flagsOf("-p", "-1")).toEqual({ port: -1 });
    expect(flagsOf("--cluster=")).toEqual({ clusterListen: "" });
  });

  test("takes bools without a value, or attached to one", () => {
    expect(flagsOf("-D", "-V")).toEqual({ debug: true, trace: true });
    expect(flagsOf("-D=false")).toEqual({ debug: false });
    expect(flagsOf("-D=0", "-V=T")).toEqual({ debug: false, trace: true });
  });

  test("takes the run-together forms of debug and trace", () => {
    expect(flagsOf("-DV")).toEqual({ debug: true, trace: true });
    expect(flagsOf("-VV")).toEqual({ trace: true, traceVerbose: true });
    expect(flagsOf("-DVV")).toEqual({ debug: true, trace: true, traceVerbose: true });
    expect(flagsOf("-DV=false")).toEqual({ debug: false, trace: false });
  });

  test("takes every flag under every name", () => {
    for (const { names, kind, sets } of Object.values(FLAG_SECTIONS).flat()) {
      const value =
        sets[0] === "transport" ? "epoll" : kind === "integer" ? "7" : kind === "bool" ? "true" : "x";
      const parsed = names.map((name) => parseCommandLine([`--${name}=${value}`]));
      for (const each of parsed) expect(each).toEqual(parsed[0]!);
      const isAboutOthers = ["testConfig", "help", "version", "tlsHelp", "signal"].includes(sets[0]!);
      if (!isAboutOthers) expect(parsed[0]!.kind).toBe("serve");
    }
  });

  test("lets the last of two equal flags win", () =>
    expect(flagsOf("-p", "1", "--port", "2")).toEqual({ port: 2 }));

  const others: readonly (readonly [readonly string[], CommandLine])[] = [
    [["-v"], { kind: "version" }],
    [["-h"], { kind: "help" }],
    [["--help_tls"], { kind: "tlsHelp" }],
    [["version"], { kind: "version" }],
    [["-D", "HELP"], { kind: "help" }],
    [["-v", "-h"], { kind: "version" }],
    [["-t", "-c", "a.conf"], { kind: "testConfig", configFile: "a.conf", flags: { configFile: "a.conf" } }],
    [["--signal", "reload"], { kind: "signal", command: "reload" }],
    [["-sl=stop=/run/a.pid"], { kind: "signal", command: "stop", target: "/run/a.pid" }],
    [["--", "help"], { kind: "help" }],
  ];
  for (const [args, expected] of others) {
    test(`reads ${args.join(" ")}`, () => expect(parseCommandLine(args)).toEqual(expected));
  }

  const refused: readonly (readonly [readonly string[], string, boolean])[] = [
    [["foo"], 'unrecognized command: "foo"', false],
    [["-t"], "must specify [-c, --config] option to check configuration file syntax", false],
    [["--signal", "a=b=c"], "invalid signal parameters: [c]", false],
    [["-x"], "flag provided but not defined: -x", true],
    [["--toString"], "flag provided but not defined: -toString", true],
    [["-p"], "flag needs an argument: -p", true],
    [["-p", "a"], 'invalid value "a" for flag -p: parse error: use a whole number', true],
    [["-D=maybe"], 'invalid value "maybe" for flag -D: parse error: use true or false', true],
    [["--shards", "-1"], 'invalid value "-1" for flag -shards: use 0 to 16', true],
    [["--shards", "17"], 'invalid value "17" for flag -shards: use 0 to 16', true],
    [["--transport", "x"], 'invalid value "x" for flag -transport: use auto, epoll, runtime', true],
    [["---p"], "bad flag syntax: ---p", true],
    [["-="], "bad flag syntax: -=", true],
  ];
  for (const [args, text, showUsage] of refused) {
    test(`refuses ${args.join(" ")}`, () =>
      expect(parseCommandLine(args)).toEqual({ kind: "refused", text, showUsage }));
  }
});

function apply(text: string, ...args: string[]): Options | string {
  const loaded = loadConfigText(text, "x.conf", { readFile: () => "", environment: {} });
  const parsed = parseCommandLine(args);
  if (!loaded.ok || parsed.kind !== "serve") throw new Error("test is wrong");
  const applied = applyFlags(loaded.options, parsed.flags);
  return applied.ok ? applied.options : applied.text;
}

function applied(text: string, ...args: string[]): Options {
  const options = apply(text, ...args);
  if (typeof options === "string") throw new Error(options);
  return options;
}

describe("applyFlags()", () => {
  test("changes nothing without flags", () => {
    const options = defaultOptions();
    expect(applyFlags(options, {})).toEqual({ ok: true, options });
  });

  test("puts flags over the file, whatever their value", () => {
    const file = "debug: true, host: a, port: 1, logtime: false, midge { shards: 2, transport: epoll }";
    const options = applied(
      file,
      "-D=false",
      "-a",
      "b",
      "-p",
      "2",
      "-T",
      "--shards",
      "3",
      "-m",
      "8222",
      "-n",
      "x",
    );
    expect(options.debug).toBe(false);
    expect(options.host).toBe("b");
    expect(options.port).toBe(2);
    expect(options.logTime).toBe(true);
    expect(options.midge).toEqual({ shards: 3, transport: "epoll" });
    expect(options.httpPort).toBe(8222);
    expect(options.serverName).toBe("x");
  });

  test("takes an empty host and a port of 0 for the defaults", () => {
    const { host, port } = applied("host: a, port: 1", "-a", "", "-p", "0");
    expect({ host, port }).toEqual({ host: "0.0.0.0", port: 4222 });
  });

  test("puts credentials into the authorization of the file", () => {
    const { user, password, timeoutMs } = applied(
      "authorization { timeout: 5 }",
      "--user",
      "a",
      "--pass",
      "b",
    ).authorization!;
    expect({ user, password, timeoutMs }).toEqual({ user: "a", password: "b", timeoutMs: 5000 });
    expect(applied("port: 1", "--auth", "t").authorization?.token).toBe("t");
  });

  test("turns TLS on with what the flags say alone, and off", () => {
    const { certFile, keyFile, verify, timeoutMs } = applied(
      "tls { timeout: 9 }",
      ...["--tlscert", "c", "--tlskey", "k", "--tlsverify"],
    ).tls!;
    expect({ certFile, keyFile, verify, timeoutMs }).toEqual({
      certFile: "c",
      keyFile: "k",
      verify: true,
      timeoutMs: 2000,
    });
    expect(applied("tls {}", "--tls=false", "--tlscert", "c").tls).toBe(undefined);
    expect(applied("tls { timeout: 9 }", "-D").tls?.timeoutMs).toBe(9000);
    expect(apply("port: 1", "--tls")).toBe(
      "TLS Server certificate must be present and valid; give --tlscert",
    );
    expect(apply("port: 1", "--tlscert", "c")).toBe(
      "TLS Server private key must be present and valid; give --tlskey",
    );
  });

  test("reads the cluster URL and the routes", () => {
    const { name, host, port, routes, authorization } = applied(
      "cluster { name: C }",
      ...["--cluster", "nats://u:p%40@h:6222", "--routes", "nats://a:1, nats://b:2"],
    ).cluster;
    expect({ name, host, port, routes }).toEqual({
      name: "C",
      host: "h",
      port: 6222,
      routes: ["nats://a:1", "nats://b:2"],
    });
    expect([authorization?.user, authorization?.password]).toEqual(["u", "p@"]);
    const anywhere = applied("port: 1", "--cluster_listen", "nats://:-1").cluster;
    expect([anywhere.host, anywhere.port]).toEqual(["0.0.0.0", -1]);
    expect(applied("cluster { port: 1 }", "--cluster", "").cluster.port).toBe(0);
    expect(applied("cluster { port: 1, routes: ['nats://a:1'] }", "--routes", "").cluster.routes).toEqual([]);
  });

  test("drops the cluster credentials of the file if the URL has none", () => {
    const { cluster } = applied(
      "cluster { authorization { user: a, password: b, timeout: 3 } }",
      "--cluster",
      "nats://h:1",
    );
    expect(cluster.authorization).toEqual({
      user: undefined,
      password: undefined,
      timeoutMs: 3000,
      permissions: undefined,
    });
  });

  const refused: readonly (readonly [readonly string[], string])[] = [
    [["--routes", "nats://a:1"], "solicited routes require cluster capabilities, e.g. --cluster"],
    [
      ["--cluster", "nats://h:1", "--routes", "nats://a:1,nats://u:p%zz@b:1"],
      '--routes: no valid URL (not shown, it may hold a password): "%" stands for itself only as "%25"',
    ],
    [["--cluster", "nats://u@h:1"], "expected cluster password to be set"],
    [
      ["--cluster", "h"],
      "--cluster: expected a URL such as nats://host:6222; the port may be -1 for a random one",
    ],
    [["-js"], "JetStream is not supported by Midge; remove -js"],
    [["-p", "70000"], "-p 70000: port is out of range; use 0 to 65535, or -1 for a random one"],
  ];
  for (const [args, text] of refused) {
    test(`refuses ${args.join(" ")}`, () => expect(apply("port: 1", ...args)).toBe(text));
  }

  test("accepts a store folder and JetStream turned off", () => {
    expect(applied("port: 1", "-sd", "d", "-js=false")).toEqual(applied("port: 1"));
  });
});

describe("redactArguments()", () => {
  test("hides users, passwords, tokens and the users of URLs", () => {
    expect(
      redactArguments([
        "--user=a",
        "-pass",
        "b",
        "--auth",
        "c",
        "--routes",
        "nats://u:p@h:1,nats://i:2",
        "--cluster=nats://u:p@h:-1",
        "-p",
        "3",
      ]),
    ).toEqual([
      "--user=[REDACTED]",
      "-pass",
      "[REDACTED]",
      "--auth",
      "[REDACTED]",
      "--routes",
      "nats://[REDACTED]@h:1,nats://i:2",
      "--cluster=nats://[REDACTED]@h:-1",
      "-p",
      "3",
    ]);
  });
});
