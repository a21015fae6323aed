/** Readers for single options of the server that check more than a type. */
import type { ConfigValue } from "./config_tree.ts";
import { formatDuration } from "./duration.ts";
import type { Site } from "./option.ts";
import { durationText, integer, strings } from "./readers.ts";

const LAME_DUCK_DURATION_MS_MIN = 30_000;

export function readTags(value: ConfigValue, site: Site): readonly string[] | undefined {
  const tags = strings.read(value, site)?.map((tag) => tag.trim().toLowerCase());
  return tags && [...new Set(tags)].filter((tag) => tag !== "");
}

export function readMaxSubscriptionTokens(value: ConfigValue, site: Site): number | undefined {
  const read = integer().read(value, site);
  if (read === undefined || (read > 0 && read <= 255)) return read;
  return site.error(
    `${site.key} value ${read > 0 ? "is too big" : "can not be negative"}: ${read} is not within 1 to 255`,
  );
}

export function readLameDuckDuration(value: ConfigValue, site: Site): number | undefined {
  const durationMs = durationText.read(value, site);
  if (durationMs === undefined || durationMs >= LAME_DUCK_DURATION_MS_MIN) return durationMs;
  return site.error(`invalid lame_duck_duration of ${formatDuration(durationMs)}, minimum is 30 seconds`);
}

export function readLameDuckGracePeriod(value: ConfigValue, site: Site): number | undefined {
  const durationMs = durationText.read(value, site);
  if (durationMs === undefined || durationMs > 0) return durationMs;
  // As everywhere in the configuration 0 stands for the default.
  return durationMs === 0 ? 10_000 : site.error("invalid lame_duck_grace_period, needs to be positive");
}
