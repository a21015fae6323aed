/** Figures as people read them. Pure: the same text for the same number, whatever the browser's language. */

const UNITS = ["", "k", "M", "G", "T", "P"];

/**
 * A number cut to three digits with a unit: `999`, `1.23k`, `45.6M`. Of bytes the unit is 1,000 too, as network links count.
 * @param {number} value
 */
export function short(value) {
  let rest = Math.abs(value);
  let unit = 0;
  // 999.5 would be shown as 1000.
  while (rest >= 999.5 && unit < UNITS.length - 1) {
    rest /= 1000;
    unit++;
  }
  const digits = rest >= 99.95 || (unit === 0 && Number.isInteger(rest)) ? 0 : rest >= 9.995 ? 1 : 2;
  const text = `${rest.toFixed(digits)}${UNITS[unit]}`;
  return value < 0 ? `−${text}` : text;
}

/** @param {number} bytes */
export function shortBytes(bytes) {
  return `${short(bytes)}B`.replace(/(\d)B$/, "$1 B").replace(/([kMGTP])B$/, " $1B");
}

/**
 * Every digit of a whole number, in groups of three.
 * @param {number} value
 */
export function exact(value) {
  return String(value).replace(/\B(?=(?:\d{3})+$)/g, ",");
}

/**
 * A rate, a dash while it is not known.
 * @param {number | null} perSecond
 */
export function rate(perSecond) {
  return perSecond === null ? "–" : `${short(perSecond)}/s`;
}

/** @param {number | null} bytesPerSecond */
export function byteRate(bytesPerSecond) {
  return bytesPerSecond === null ? "–" : `${shortBytes(bytesPerSecond)}/s`;
}

/**
 * Cuts a text that would not fit, at a character and not within one.
 * @param {string} text
 * @param {number} length most characters, at least 1
 */
export function cut(text, length) {
  const characters = [...text];
  return characters.length <= length ? text : `${characters.slice(0, length - 1).join("")}…`;
}

/**
 * @param {string} ip
 * @param {number} port
 */
export function hostPort(ip, port) {
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}
