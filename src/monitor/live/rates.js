/** What changed between two answers of the server, per second of its own clock. */

/** @typedef {import("../live_data.ts").LiveData} LiveData */
/** @typedef {{ inMessages: number, outMessages: number, inBytes: number, outBytes: number }} Rates per second */
/** @typedef {{ in_msgs: number, out_msgs: number, in_bytes: number, out_bytes: number }} Counters */

/**
 * Seconds from one answer to the next, null where there are none or the server is another one: its counters began anew.
 * @param {LiveData | null} previous
 * @param {LiveData} current
 */
export function secondsBetween(previous, current) {
  if (previous === null) return null;
  const [before, now] = [previous.varz, current.varz];
  if (before.server_id !== now.server_id || before.start !== now.start) return null;
  const seconds = (Date.parse(now.now) - Date.parse(before.now)) / 1000;
  return seconds > 0 ? seconds : null;
}

/** Over a shorter time a rate says more of chance than of the server. */
const SECONDS_MIN = 0.5;

/**
 * What an answer is compared with: the newest of those before it that is old enough, null where there is none.
 * @param {readonly LiveData[]} answers the newest last
 * @param {LiveData} current
 */
export function baselineFor(answers, current) {
  const isOldEnough = (/** @type {LiveData} */ answer) =>
    (secondsBetween(answer, current) ?? 0) >= SECONDS_MIN;
  return answers.findLast(isOldEnough) ?? null;
}

/**
 * Null where one of the two is missing. A counter that went back began anew: nothing is known of it.
 * @param {Counters | undefined} previous
 * @param {Counters} current
 * @param {number | null} seconds
 * @returns {Rates | null}
 */
export function ratesBetween(previous, current, seconds) {
  if (previous === undefined || seconds === null) return null;
  const rates = {
    inMessages: (current.in_msgs - previous.in_msgs) / seconds,
    outMessages: (current.out_msgs - previous.out_msgs) / seconds,
    inBytes: (current.in_bytes - previous.in_bytes) / seconds,
    outBytes: (current.out_bytes - previous.out_bytes) / seconds,
  };
  return Object.values(rates).some((rate) => rate < 0) ? null : rates;
}

/**
 * Of each item that is in both lists, by what tells it from the others.
 * @template {Counters} Item
 * @param {readonly Item[]} previous
 * @param {readonly Item[]} current
 * @param {(item: Item) => string | number} keyOf
 * @param {number | null} seconds
 * @returns {Map<string | number, Rates | null>}
 */
export function ratesByKey(previous, current, keyOf, seconds) {
  const before = new Map(previous.map((item) => [keyOf(item), item]));
  return new Map(current.map((item) => [keyOf(item), ratesBetween(before.get(keyOf(item)), item, seconds)]));
}
