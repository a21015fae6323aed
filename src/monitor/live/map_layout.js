/**
 * Where the servers of a deployment stand on the map: remote clusters above, this server amid its cluster, leaf nodes below.
 * Boxes go in rows as wide as the page allows, so that a telephone shows the same map, only longer.
 */

/** @typedef {"self" | "route" | "gateway" | "leaf" | "more"} Kind */
/** @typedef {{ kind: Kind, name: string, note: string }} Peer what is drawn in a box: a name, and what is said of it */
/** @typedef {Peer & { x: number, y: number }} Box its top left corner */
/** @typedef {{ label: string, x: number, y: number, width: number, height: number }} Frame */
/** @typedef {{ boxes: Box[], frame: Frame, lines: { from: Box, to: Box }[], height: number }} MapLayout */

export const BOX_WIDTH = 132;
export const BOX_HEIGHT = 44;
const GAP = 12;
/** Between the rows of one kind and those of the next, where lines are seen. */
const ZONE_GAP = 36;
const FRAME_PAD = 12;
const FRAME_LABEL = 20;
/** Room beside the boxes, where there is some. */
const FRAME_SIDE = 48;
/** Between this server and those beside it; three boxes with it are no wider than three in a row and the frame's room. */
const SIDE_GAP = 24;
const MARGIN = 2;
/** More of one kind are counted in a box of their own; tables have them. */
export const PEERS_MAX = 24;

/**
 * @param {{ self: Peer, cluster: string, routes: readonly Peer[], gateways: readonly Peer[], leafs: readonly Peer[] }} peers
 * @param {number} width in pixels; one box wide at least
 * @returns {MapLayout}
 */
export function layoutMap({ self, cluster, routes, gateways, leafs }, width) {
  const inner = Math.max(width - 2 * (MARGIN + FRAME_PAD), BOX_WIDTH);
  const columns = Math.max(1, Math.floor((inner - GAP) / (BOX_WIDTH + GAP)));
  const center = width / 2;
  /** @type {Box[]} */
  const boxes = [];
  let y = MARGIN;

  /** @param {readonly Peer[]} peers */
  const place = (peers) => {
    for (let at = 0; at < peers.length; at += columns) {
      const row = peers.slice(at, at + columns);
      const rowWidth = row.length * (BOX_WIDTH + GAP) - GAP;
      for (const [column, peer] of row.entries()) {
        boxes.push({ ...peer, x: center - rowWidth / 2 + column * (BOX_WIDTH + GAP), y });
      }
      y += BOX_HEIGHT + GAP;
    }
  };

  place(limited(gateways));
  if (gateways.length > 0) y += ZONE_GAP - GAP;

  const frameTop = y;
  y += FRAME_LABEL;
  const members = limited(routes);
  // Two stand beside this server where there is room, so that the lines of other kinds do not pass behind them.
  const beside = columns >= 3 ? members.slice(0, 2) : [];
  const others = members.slice(beside.length);
  const above = others.slice(0, others.length >> 1);
  const below = others.slice(above.length);
  place(above);
  if (above.length > 0) y += ZONE_GAP - GAP;
  const selfBox = { ...self, x: center - BOX_WIDTH / 2, y };
  boxes.push(selfBox);
  for (const [at, peer] of beside.entries()) {
    const aside = (BOX_WIDTH + SIDE_GAP) * (at === 0 ? -1 : 1);
    boxes.push({ ...peer, x: selfBox.x + aside, y });
  }
  y += BOX_HEIGHT + GAP;
  if (below.length > 0) y += ZONE_GAP - GAP;
  place(below);
  y += FRAME_PAD - GAP;
  const rowWidth = Math.min(columns, below.length) * (BOX_WIDTH + GAP) - GAP;
  const selfWidth = beside.length > 0 ? 3 * BOX_WIDTH + 2 * SIDE_GAP : BOX_WIDTH;
  const frameWidth = Math.min(Math.max(rowWidth, selfWidth) + 2 * FRAME_SIDE, width - 2 * MARGIN);
  const frame = {
    label: cluster,
    x: center - frameWidth / 2,
    y: frameTop,
    width: frameWidth,
    height: y - frameTop,
  };

  if (leafs.length > 0) y += ZONE_GAP;
  place(limited(leafs));
  if (leafs.length > 0) y -= GAP;
  const lines = boxes.filter(({ kind }) => kind !== "self" && kind !== "more");
  return { boxes, frame, lines: lines.map((to) => ({ from: selfBox, to })), height: y + MARGIN };
}

/**
 * @param {readonly Peer[]} peers
 * @returns {readonly Peer[]}
 */
function limited(peers) {
  if (peers.length <= PEERS_MAX) return peers;
  const left = peers.length - PEERS_MAX + 1;
  return [...peers.slice(0, PEERS_MAX - 1), { kind: "more", name: `and ${left} more`, note: "" }];
}
