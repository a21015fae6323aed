// The steps of test/peers/README.md for both JavaScript clients: their connections have the same methods.

const MESSAGE_COUNT = 1000;
const encode = (text) => new TextEncoder().encode(text);
const decode = (bytes) => new TextDecoder().decode(bytes);

function assertEqual(actual, expected, what) {
  const [left, right] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (left !== right) throw new Error(`${what}: ${left}, expected ${right}`);
}

async function step(name, body) {
  try {
    await body();
    console.log(`ok ${name}`);
  } catch (error) {
    console.log(`failed ${name}: ${error.message}`);
    process.exit(1);
  }
}

/** Takes the next `count` messages of a subscription, mapped. */
async function take(subscription, count, map) {
  const taken = [];
  for await (const message of subscription) {
    taken.push(map(message));
    if (taken.length === count) break;
  }
  return taken;
}

/** Runs all steps. `createHeaders` and `isNoResponders` are where the two clients differ. */
export async function runSteps(prefix, { connect, createHeaders, isNoResponders }) {
  const servers = process.argv[2];
  const options = { servers, name: prefix, reconnectTimeWait: 50, maxReconnectAttempts: -1 };
  let connection;

  await step("connect", async () => {
    connection = await connect(options);
    await connection.flush();
  });

  await step("publish", async () => {
    const received = take(connection.subscribe(`${prefix}.pub.*`), MESSAGE_COUNT, (m) => decode(m.data));
    const sent = Array.from({ length: MESSAGE_COUNT }, (_, index) => String(index));
    for (const text of sent) connection.publish(`${prefix}.pub.${text.at(-1)}`, encode(text));
    assertEqual(await received, sent, "messages in order");
  });

  await step("request", async () => {
    connection.subscribe(`${prefix}.echo`, {
      callback: (_error, m) => m.respond(encode(`re: ${decode(m.data)}`)),
    });
    const reply = await connection.request(`${prefix}.echo`, encode("hello"), { timeout: 5000 });
    assertEqual(decode(reply.data), "re: hello", "reply");
    const error = await connection.request(`${prefix}.nobody`, encode(""), { timeout: 5000 }).catch((e) => e);
    assertEqual(isNoResponders(error), true, `request to nobody ended with ${error}`);
  });

  await step("queue", async () => {
    let [memberCount, plainCount] = [0, 0];
    const subject = `${prefix}.queue`;
    for (let member = 0; member < 3; member++) {
      connection.subscribe(subject, { queue: "workers", callback: () => memberCount++ });
    }
    connection.subscribe(subject, { callback: () => plainCount++ });
    for (let index = 0; index < MESSAGE_COUNT; index++) connection.publish(subject);
    await connection.flush();
    assertEqual(
      [memberCount, plainCount],
      [MESSAGE_COUNT, MESSAGE_COUNT],
      "to the group and to the plain one",
    );
  });

  await step("headers", async () => {
    const received = take(connection.subscribe(`${prefix}.headers`), 1, (m) => m);
    const headers = createHeaders();
    headers.append("Midge", "a");
    headers.append("Midge", "b: c");
    headers.set("Other", "");
    connection.publish(`${prefix}.headers`, encode("body"), { headers });
    const [message] = await received;
    assertEqual(message.headers.values("Midge"), ["a", "b: c"], "values");
    assertEqual(message.headers.get("Other"), "", "empty value");
    assertEqual(decode(message.data), "body", "body");
  });

  await step("unsubscribe", async () => {
    const subscription = connection.subscribe(`${prefix}.max`, { max: 5, callback: () => {} });
    for (let index = 0; index < 10; index++) connection.publish(`${prefix}.max`);
    await connection.flush();
    assertEqual(subscription.getReceived(), 5, "messages before the subscription ended");
  });

  await step("reconnect", async () => {
    const received = take(connection.subscribe(`${prefix}.again`), 1, (m) => decode(m.data));
    await connection.flush();
    const reconnected = (async () => {
      for await (const { type } of connection.status()) if (type === "reconnect") return;
    })();
    console.log("restart the server");
    await reconnected;
    connection.publish(`${prefix}.again`, encode("back"));
    assertEqual(await received, ["back"], "after the reconnect");
  });

  await step("drain", async () => {
    let receivedCount = 0;
    connection.subscribe(`${prefix}.drain`, { callback: () => receivedCount++ });
    for (let index = 0; index < MESSAGE_COUNT; index++) connection.publish(`${prefix}.drain`);
    await connection.drain();
    assertEqual(receivedCount, MESSAGE_COUNT, "messages before the connection closed");
  });
}
