/** The live page: asks the server every second and shows what it says, as long as somebody can see it. */
import { withPoint } from "./chart.js";
import { byId, html, setRows, setText } from "./dom.js";
import { drawChart, drawMap } from "./drawings.js";
import { chartSummary, figuresOf } from "./figures.js";
import { byteRate, exact, rate } from "./format.js";
import { layoutMap } from "./map_layout.js";
import { linksOf, peersOf } from "./peers.js";
import { baselineFor, ratesBetween, ratesByKey, secondsBetween } from "./rates.js";
import {
  accountCounters,
  accountRows,
  CONNECTION_COLUMNS,
  connectionRows,
  linkRows,
  shardRows,
  slowRows,
} from "./tables.js";

/** @typedef {import("../live_data.ts").LiveData} LiveData */
/** @typedef {import("./chart.js").Point} Point */

const POLL_MS = 1000;
/** A server that answers nothing for so long is said to be away. */
const ANSWER_MS_MAX = 5000;
const CLOSED_PAGE = 256;

const state = {
  sort: "pending",
  isPaused: false,
  /** Counts the questions: the answer to one that was overtaken is not shown. */
  turn: 0,
  /**
   * The last answer, and what it was compared with.
   * @type {LiveData[]}
   */
  answers: [],
  /** @type {Point[]} */
  messages: [],
  /** @type {Point[]} */
  bytes: [],
  /** How many slow consumers there were when the list of them was fetched. */
  slowConsumersListed: -1,
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  timer: undefined,
};

/** @param {string} path beside this page */
async function fetchJson(path) {
  const url = new URL(`../${path}`, import.meta.url);
  const response = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS_MAX) });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return response.json();
}

async function poll() {
  clearTimeout(state.timer);
  const turn = ++state.turn;
  if (state.isPaused || document.hidden) {
    setText("status", "paused");
    return;
  }
  const { sort } = state;
  try {
    /** @type {LiveData} */
    const data = await fetchJson(`live/data?sort=${sort}`);
    if (turn !== state.turn) return;
    show(data);
    setText("status", "live");
    await listSlowConsumers(data.varz.slow_consumers);
  } catch (error) {
    if (turn !== state.turn) return;
    setText("status", `no answer: ${error instanceof Error ? error.message : error}`);
  }
  if (turn === state.turn) state.timer = setTimeout(poll, POLL_MS);
}

/** @param {LiveData} data */
function show(data) {
  const previous = baselineFor(state.answers, data);
  const seconds = secondsBetween(previous, data);
  const last = state.answers.at(-1);
  if (last !== undefined && last.varz.server_id !== data.varz.server_id) {
    state.messages = [];
    state.bytes = [];
    state.slowConsumersListed = -1;
  }
  state.answers = previous === null ? [...state.answers.slice(-1), data] : [previous, data];
  showServer(data);
  showFigures(figuresOf(data, previous, seconds));
  showCharts(data, ratesBetween(previous?.varz, data.varz, seconds));
  showServers(data, previous, seconds);
  showTables(data, previous, seconds);
}

/** @param {LiveData} data */
function showServer({ varz }) {
  setText("server", varz.server_name);
  document.title = `${varz.server_name} – Midge`;
  const cluster = varz.cluster.name === undefined ? "" : `, cluster ${varz.cluster.name}`;
  setText("about", `v${varz.version} on ${varz.go}${cluster}, up ${varz.uptime}`);
}

/** @param {import("./figures.js").Figure[]} figures */
function showFigures(figures) {
  byId("figures").replaceChildren(
    ...figures.map(({ field, title, value, more, isAlarming }) =>
      html(
        "div",
        { class: isAlarming ? "alarm" : "calm" },
        html("dt", {}, title),
        html("dd", { class: "value", "data-field": field }, value),
        html("dd", { class: "more" }, more),
      ),
    ),
  );
}

/**
 * @param {LiveData} data
 * @param {import("./rates.js").Rates | null} rates
 */
function showCharts({ varz }, rates) {
  if (rates === null) return;
  const atMs = Date.parse(varz.now);
  state.messages = withPoint(state.messages, { atMs, in: rates.inMessages, out: rates.outMessages });
  state.bytes = withPoint(state.bytes, { atMs, in: rates.inBytes, out: rates.outBytes });
  const { inMessages, outMessages, inBytes, outBytes } = rates;
  setText("msgs-in", rate(inMessages));
  setText("msgs-out", rate(outMessages));
  setText("bytes-in", byteRate(inBytes));
  setText("bytes-out", byteRate(outBytes));
  drawChart(
    byId("msgs-chart"),
    state.messages,
    "messages",
    chartSummary("Messages", inMessages, outMessages),
  );
  drawChart(byId("bytes-chart"), state.bytes, "bytes", chartSummary("Bytes", inBytes, outBytes));
}

/**
 * @param {LiveData} data
 * @param {LiveData | null} previous
 * @param {number | null} seconds
 */
function showServers(data, previous, seconds) {
  const links = linksOf(data);
  const rates = ratesByKey(previous === null ? [] : linksOf(previous), links, ({ id }) => id, seconds);
  setRows("links", linkRows(links, rates), "No other servers are connected.");
  const routes = peersOf(links, "route", rates);
  const gateways = peersOf(links, "gateway", rates);
  const leafs = peersOf(links, "leaf", rates);
  const { varz } = data;
  const cluster = varz.cluster.name ?? "";
  /** @type {import("./map_layout.js").Peer} */
  const self = { kind: "self", name: varz.server_name, note: "this server" };
  const width = Math.floor(byId("map-box").getBoundingClientRect().width);
  const label = cluster === "" ? "no cluster" : `cluster ${cluster}`;
  const summary = `This server, ${routes.length} other servers of its cluster, ${gateways.length} remote clusters, ${leafs.length} leaf nodes; the table below lists them`;
  drawMap(byId("map"), layoutMap({ self, cluster: label, routes, gateways, leafs }, width), width, summary);
}

/**
 * @param {LiveData} data
 * @param {LiveData | null} previous
 * @param {number | null} seconds
 */
function showTables(data, previous, seconds) {
  const { connz, shardz, accstatz } = data;
  const connections = ratesByKey(
    previous?.connz.connections ?? [],
    connz.connections,
    ({ cid }) => cid,
    seconds,
  );
  setText("connections-note", `The first ${exact(connz.num_connections)} of ${exact(connz.total)}`);
  setRows("connections", connectionRows(connz.connections, connections), "Nobody is connected.");
  const shards = ratesByKey(previous?.shardz.shards ?? [], shardz.shards, ({ shard }) => shard, seconds);
  setRows("shards", shardRows(shardz.shards, shards), "There are no shards.");
  const accounts = ratesByKey(
    (previous?.accstatz.account_statz ?? []).map(accountCounters),
    accstatz.account_statz.map(accountCounters),
    ({ acc }) => acc,
    seconds,
  );
  setText("accounts-note", `The first ${exact(accstatz.account_statz.length)} of ${exact(accstatz.total)}`);
  setRows("accounts", accountRows(accstatz.account_statz, accounts), "There are no accounts.");
}

/**
 * Asks for the list of closed connections, which may be long, only where there are more slow consumers than before.
 * @param {number} count
 */
async function listSlowConsumers(count) {
  setText("slow-note", `${exact(count)} since the start`);
  if (count === state.slowConsumersListed) return;
  const { connections } =
    count === 0 ? { connections: [] } : await fetchJson(`connz?state=closed&sort=stop&limit=${CLOSED_PAGE}`);
  setRows("slow", slowRows(connections ?? []), "None among the last closed connections.");
  state.slowConsumersListed = count;
}

function showSortButtons() {
  byId("connections-head").replaceChildren(
    ...CONNECTION_COLUMNS.map(({ title, sort, direction }) => {
      if (sort === "") return html("th", { scope: "col" }, title);
      const button = html("button", { type: "button" }, title);
      const cell = html("th", { scope: "col", "data-sort": sort }, button);
      button.addEventListener("click", () => {
        state.sort = sort;
        markSorted();
        poll();
      });
      return direction === ""
        ? cell
        : html("th", { scope: "col", "data-sort": sort, "data-direction": direction }, button);
    }),
  );
  markSorted();
}

function markSorted() {
  for (const cell of byId("connections-head").querySelectorAll("th[data-sort]")) {
    const isSorted = cell.getAttribute("data-sort") === state.sort;
    if (isSorted) cell.setAttribute("aria-sort", cell.getAttribute("data-direction") ?? "none");
    else cell.removeAttribute("aria-sort");
  }
}

showSortButtons();
byId("pause").addEventListener("click", () => {
  state.isPaused = !state.isPaused;
  setText("pause", state.isPaused ? "Go on" : "Pause");
  poll();
});
document.addEventListener("visibilitychange", poll);
poll();
