/** Runs in the browser: what a page does with a NATS client. Its title says how it went. */
import { headers, wsconnect } from "@nats-io/nats-core";

const LARGE_BYTES = 100_000;

async function run() {
  const connection = await wsconnect({ servers: new URL(location.href).searchParams.get("server") ?? "" });
  connection.subscribe("browser.echo", {
    callback: (error, message) => {
      if (error === null) message.respond(message.data, { headers: message.headers });
    },
  });
  const sent = headers();
  sent.set("X-From", "browser");
  const payload = new Uint8Array(LARGE_BYTES).map((_, at) => at & 255);
  const reply = await connection.request("browser.echo", payload, { timeout: 10_000, headers: sent });
  if (reply.headers?.get("X-From") !== "browser") throw new Error("the header did not come back");
  if (!reply.data.every((byte, at) => byte === payload[at])) throw new Error("other bytes came back");
  const asked = await connection.request("outside.upper", "from the browser", { timeout: 10_000 });
  if (asked.string() !== "FROM THE BROWSER") throw new Error(`the answer is ${asked.string()}`);
  await connection.drain();
  return "passed";
}

run().then(
  (result) => {
    document.title = result;
  },
  (error) => {
    document.title = `failed: ${error.message}`;
  },
);
