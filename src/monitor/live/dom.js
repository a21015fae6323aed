/** Elements from plain data. Whatever comes from the server ends as text: names of clients are what anybody chose. */

const SVG = "http://www.w3.org/2000/svg";

/** @typedef {Readonly<Record<string, string | number>>} Attributes */

/**
 * @param {string} tag
 * @param {Attributes} attributes
 * @param {...(Node | string)} children texts stay texts
 */
export function html(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/**
 * @param {string} tag
 * @param {Attributes} attributes
 * @param {...(Node | string)} children
 */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

/**
 * @template {Element} E
 * @param {E} element
 * @param {Attributes} attributes
 * @param {readonly (Node | string)[]} children
 * @returns {E}
 */
function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/**
 * The element that the page has under this id.
 * @param {string} id
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no #${id}`);
  return element;
}

/**
 * Writes only what has changed, so that a reader of the page is not told of what stays.
 * @param {string} id
 * @param {string} text
 */
export function setText(id, text) {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Replaces the rows of a table. The first cell of each names the row.
 * @param {string} id of the tbody
 * @param {readonly (readonly string[])[]} rows
 * @param {string} nothing what a table without rows says
 */
export function setRows(id, rows, nothing) {
  const body = byId(id);
  if (rows.length === 0) {
    const columns = body.closest("table")?.tHead?.rows[0]?.cells.length ?? 1;
    body.replaceChildren(html("tr", {}, html("td", { colspan: columns, class: "nothing" }, nothing)));
    return;
  }
  body.replaceChildren(
    ...rows.map(([name = "", ...cells]) =>
      html("tr", {}, html("th", { scope: "row" }, name), ...cells.map((cell) => html("td", {}, cell))),
    ),
  );
}
