import { expect } from "bun:test";
import { subscribe } from "../support/account_config.ts";
import { push } from "../support/claims_requests.ts";
import { login } from "../support/login.ts";
import { readMessage } from "../support/message.ts";
import { loginAsSystem, Operator } from "../support/operator.ts";
import { row, sharedServer } from "../support/row.ts";
import { headed, readTrace } from "../support/tracing.ts";

// What JWTs say of traces: `trace` of an account, `allow_trace` of a service's export and of a stream's import.

const operator = new Operator();
const tracing = operator.account("tracing");
const exporter = operator.account("exporter");
const importer = operator.account("importer");

const exportsOf = (allowsTrace: boolean) => ({
  exports: [
    { name: "svc", subject: "svc", type: "service", allow_trace: allowsTrace },
    { name: "str", subject: "str", type: "stream" },
  ],
});
const importsOf = (allowsTrace: boolean) => ({
  imports: [
    { name: "svc", subject: "svc", account: exporter.publicKey, type: "service" },
    { name: "str", subject: "str", account: exporter.publicKey, type: "stream", allow_trace: allowsTrace },
  ],
});

const server = sharedServer({
  config: operator.configWithMemory(
    tracing,
    exporter.with(exportsOf(false)),
    importer.with(importsOf(false)),
  ),
});

const asSystem = () => loginAsSystem(server(), operator);
const traceparent = headed("ext", ["traceparent: 00-1-2-01"]);
const typesIn = ({ events }: { readonly events: readonly Record<string, unknown>[] }) =>
  events.map(({ type }) => type);

row("§19 an account's JWT says where messages go that are traced elsewhere", async () => {
  const system = await asSystem();
  const client = await login(server(), tracing.user().credentials);
  await subscribe(client, "acc.traces");
  client.send(traceparent);
  await client.roundTrip();
  await push(system, tracing, { trace: { dest: "acc.traces", sampling: 100 } });
  client.send(traceparent);
  const { events } = await readTrace(client);
  expect(events).toEqual([
    { type: "in", kind: 0, cid: client.info.client_id, acc: tracing.publicKey, subj: "ext" },
  ]);
  await push(system, tracing, {});
  client.send(traceparent);
  await client.roundTrip();
  for (const each of [client, system]) each.destroy();
});

row("§19 traces go on where JWTs allow it, from the update that does", async () => {
  const system = await asSystem();
  const asExporter = await login(server(), exporter.user().credentials);
  const asImporter = await login(server(), importer.user().credentials);
  await subscribe(asExporter, "svc", "traces");
  await subscribe(asImporter, "str", "traces");
  const [ofService, ofStream] = ["svc", "str"].map((subject) => headed(subject, ["Nats-Trace-Dest: traces"]));
  for (const isAllowed of [false, true, false]) {
    await push(system, exporter, exportsOf(isAllowed));
    await push(system, importer, importsOf(isAllowed));
    asImporter.send(ofService!);
    expect(typesIn(await readTrace(asImporter))).toEqual(isAllowed ? ["in", "si", "eg"] : ["in", "si"]);
    expect((await readMessage(asExporter)).subject).toBe("svc");
    asExporter.send(ofStream!);
    expect(typesIn(await readTrace(asExporter))).toEqual(isAllowed ? ["in", "se", "eg"] : ["in", "se"]);
    expect((await readMessage(asImporter)).subject).toBe("str");
  }
  for (const each of [asExporter, asImporter, system]) each.destroy();
});
