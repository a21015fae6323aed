/** The figures at the top of the page: exactly those of /varz, with rates where there are some. */
import { exact, rate, short, shortBytes } from "./format.js";

/** @typedef {import("../live_data.ts").LiveData} LiveData */

/**
 * `field` is the field of /varz that the figure shows; `isAlarming` where somebody should look.
 * @typedef {{ field: string, title: string, value: string, more: string, isAlarming: boolean }} Figure
 */

/**
 * @param {LiveData} data
 * @param {LiveData | null} previous
 * @param {number | null} seconds between the two
 * @returns {Figure[]}
 */
export function figuresOf({ varz, subsz }, previous, seconds) {
  /** @param {keyof typeof subsz & ("num_inserts" | "num_removes")} field */
  const changes = (field) => {
    if (previous === null || seconds === null) return "–";
    return short(Math.max(0, subsz[field] - previous.subsz[field]) / seconds);
  };
  const slow = varz.slow_consumer_stats;
  return [
    figure(
      "connections",
      "Connections",
      exact(varz.connections),
      `of ${exact(varz.total_connections)} so far`,
    ),
    figure(
      "subscriptions",
      "Subscriptions",
      exact(varz.subscriptions),
      `+${changes("num_inserts")} −${changes("num_removes")} a second`,
    ),
    figure("in_msgs", "Messages in", exact(varz.in_msgs), `${shortBytes(varz.in_bytes)} in all`),
    figure("out_msgs", "Messages out", exact(varz.out_msgs), `${shortBytes(varz.out_bytes)} in all`),
    {
      ...figure(
        "slow_consumers",
        "Slow consumers",
        exact(varz.slow_consumers),
        `clients ${slow.clients}, links ${slow.routes + slow.gateways + slow.leafs}`,
      ),
      isAlarming: varz.slow_consumers > (previous?.varz.slow_consumers ?? varz.slow_consumers),
    },
    figure("stalled_clients", "Stalls", exact(varz.stalled_clients), "publishers held up"),
    figure("cpu", "CPU", `${varz.cpu}%`, `cores: ${varz.cores}`),
    figure("mem", "Memory", shortBytes(varz.mem), "resident"),
    figure("leafnodes", "Leaf nodes", exact(varz.leafnodes), `routes: ${exact(varz.routes)}`),
  ];
}

/**
 * @param {string} field
 * @param {string} title
 * @param {string} value
 * @param {string} more
 * @returns {Figure}
 */
function figure(field, title, value, more) {
  return { field, title, value, more, isAlarming: false };
}

/**
 * What the charts say to those who do not see them.
 * @param {string} what
 * @param {number | null} perSecondIn
 * @param {number | null} perSecondOut
 */
export function chartSummary(what, perSecondIn, perSecondOut) {
  return `${what} per second over the last minutes; now ${rate(perSecondIn)} in, ${rate(perSecondOut)} out`;
}
