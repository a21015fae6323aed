/**
 * The clients of two threads in one thread, over one memory, for tests. What one publishes reaches the other by ring.
 */
import { createEngine } from "../../engine/engine.ts";
import { NO_HOST } from "../../engine/no_host.ts";
import { createInterestIndex } from "../../interest/interest_index.ts";
import { NODE_IS_UP, NODE_LOGINS, NODE_MAIN, NODE_SHARD_FIRST, NODE_STATE } from "../../memory/map.ts";
import { createSharedMemory, nodeWord } from "../../memory/shared_memory.ts";
import { bytesOf } from "../../subject/byte_string.ts";
import { InternalClient, type InternalRoutes } from "../internal_client.ts";
import { readRecord } from "../message_record.ts";
import { RecordQueue } from "../record_queue.ts";
import { Wake } from "../wake.ts";

/**
 * Two clients on nodes of their own, and a shard and a links shard, which take nothing on their own. With `indexBytes`,
 * the index is only so large.
 */
export function twoClients(routes?: InternalRoutes, indexBytes?: number) {
  const shared = createSharedMemory(1, new Uint32Array([1, 2, 3, 4]), true);
  const { words, map } = shared;
  const { byteOffset, byteLength } = map.index;
  const index = createInterestIndex(
    { buffer: shared.buffer, byteOffset, byteLength: indexBytes ?? byteLength },
    { hashSeed: [1, 2, 3, 4] },
  );
  const errors: string[] = [];
  const client = (node: number) => {
    words[nodeWord(node, NODE_STATE)] = NODE_IS_UP;
    const engine = createEngine(shared.memory, map.area(node).area, NO_HOST);
    const queue = new RecordQueue(engine, shared, new Wake(words, () => {}));
    const onError = (text: string) => errors.push(text);
    return new InternalClient(
      shared,
      engine,
      index,
      queue,
      node,
      onError,
      node === NODE_MAIN ? routes : undefined,
    );
  };
  const [main, logins] = [client(NODE_MAIN), client(NODE_LOGINS)];
  const running = Promise.all([main.run(), logins.run()]);
  const stop = async () => {
    main.stop();
    logins.stop();
    await running;
  };
  /** The next delivery that main has sent to a node. */
  const takenBy = (node: number) => {
    const engine = createEngine(shared.memory, map.area(node).area, NO_HOST);
    return () => {
      const record = engine.peek(NODE_MAIN);
      if (record === 0) return null;
      engine.skip(NODE_MAIN, record);
      return readRecord(shared, record);
    };
  };
  const sentToShard = takenBy(NODE_SHARD_FIRST);
  const sentToLinks = takenBy(map.linksNode);
  /** Remembers a request with this mapped reply, as if it had come through a gateway. */
  const remember = (account: number, mapped: string) => {
    const { area, scratch } = map.area(map.linksNode);
    shared.bytes.set(bytesOf(mapped), scratch);
    createEngine(shared.memory, area, NO_HOST).remember(account, scratch, mapped.length);
  };
  return { main, logins, stop, sentToShard, sentToLinks, remember, errors, index };
}
