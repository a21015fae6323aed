/**
 * The files of the live page as texts, so that they are available wherever the code runs: embedded in a program, or in
 * a single executable.
 */
import chart from "./chart.js" with { type: "text" };
import dom from "./dom.js" with { type: "text" };
import drawings from "./drawings.js" with { type: "text" };
import figures from "./figures.js" with { type: "text" };
import format from "./format.js" with { type: "text" };
import icon from "./icon.svg" with { type: "text" };
import layout from "./map_layout.js" with { type: "text" };
import css from "./page.css" with { type: "text" };
import html from "./page.html" with { type: "text" };
import page from "./page.js" with { type: "text" };
import peers from "./peers.js" with { type: "text" };
import rates from "./rates.js" with { type: "text" };
import tables from "./tables.js" with { type: "text" };

const SCRIPT = "text/javascript; charset=utf-8";

/**
 * By their paths below the monitoring port.
 * @type {ReadonlyMap<string, { readonly type: string, readonly text: string }>}
 */
export const LIVE_ASSETS = new Map([
  ["/live", { type: "text/html; charset=utf-8", text: html }],
  ["/live/page.css", { type: "text/css; charset=utf-8", text: css }],
  ["/live/icon.svg", { type: "image/svg+xml", text: icon }],
  ["/live/page.js", { type: SCRIPT, text: page }],
  ["/live/chart.js", { type: SCRIPT, text: chart }],
  ["/live/dom.js", { type: SCRIPT, text: dom }],
  ["/live/drawings.js", { type: SCRIPT, text: drawings }],
  ["/live/figures.js", { type: SCRIPT, text: figures }],
  ["/live/format.js", { type: SCRIPT, text: format }],
  ["/live/map_layout.js", { type: SCRIPT, text: layout }],
  ["/live/peers.js", { type: SCRIPT, text: peers }],
  ["/live/rates.js", { type: SCRIPT, text: rates }],
  ["/live/tables.js", { type: SCRIPT, text: tables }],
]);
