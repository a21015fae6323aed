import type { ConfigValue } from "./config_tree.ts";
import { type Site, wrongType } from "./option.ts";

/** `50`, `"50"` or `"50%"`. */
export function readPercent(value: ConfigValue, site: Site, problem: string): number | undefined {
  if (value.kind === "integer") return Number(value.value);
  if (value.kind !== "string") return wrongType(value, site, "an integer or a percentage");
  const text = value.value.replace(/%$/, "");
  return /^[+-]?\d+$/.test(text) ? Number(text) : site.error(`${problem} "${value.value}"`);
}
