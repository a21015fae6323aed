/**
 * Keys of features that nats-server has and Midge does not: accepted only if they turn the feature off, or are about that of
 * other servers.
 */
import type { ConfigValue } from "./config_tree.ts";
import { type Reader, type SharedKey, wrongType } from "./option.ts";

/** A JetStream key: only the ways to say "off" are accepted. */
export function jetStreamKey(key: string, aliases: readonly string[] = []): SharedKey<object> {
  return {
    key,
    aliases,
    doc: "Belongs to JetStream, which Midge does not have.",
    read: (value, site) => {
      if (!isOff(value)) site.error(`${site.key}: JetStream is not supported by Midge; remove the key`);
    },
  };
}

/**
 * `jetstream` of an account: whether it may use that of other members of the cluster. It may say how much; only they look
 * at that.
 */
export const jetStreamOfOthers: Reader<boolean> = {
  type: "bool, enabled | disabled, or limits",
  read: (value, site) => {
    if (isOff(value)) return false;
    const isOn = value.kind === "bool" || value.kind === "map";
    if (isOn || (value.kind === "string" && /^enabled?$/i.test(value.value))) return true;
    return wrongType(value, site, '"enabled", "disabled", a bool or limits');
  },
};

function isOff(value: ConfigValue): boolean {
  switch (value.kind) {
    case "bool":
      return !value.value;
    case "string":
      return /^disabled?$/i.test(value.value);
    case "map":
      return [...value.entries.values()].some(
        ({ key, value }) => /^enabled?$/i.test(key) && value.kind === "bool" && !value.value,
      );
    default:
      return false;
  }
}

/** The key of a whole feature, refused whatever it says. */
export function refusedKey(key: string, what: string): SharedKey<object> {
  return {
    key,
    aliases: [],
    doc: `Belongs to ${what}, which Midge does not have.`,
    read: (_value, site) => void site.error(`${key}: ${what} is not supported by Midge; remove the key`),
  };
}
