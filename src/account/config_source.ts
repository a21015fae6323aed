import type { AccountOptions } from "../config/accounts.ts";
import type { ExportOptions } from "../config/exports.ts";
import type { ImportOptions } from "../config/imports.ts";
import type { AccountSource, ExportRule, ImportRule } from "./account_source.ts";
import { limitsOf } from "./limits.ts";

/** What an account of the configuration says of itself. */
export function sourceOfOptions(options: AccountOptions): AccountSource {
  const { name, nkey, limits, mappings, defaultPermissions, messageTrace, usesJetStream } = options;
  return {
    name,
    limits: limitsOf(limits),
    mappings,
    exports: options.exports.map(exportRule),
    imports: options.imports.map(importRule),
    signingKeys: new Set(),
    ...(nkey === undefined ? {} : { nkey }),
    ...(defaultPermissions === undefined ? {} : { defaultPermissions }),
    ...(messageTrace === undefined ? {} : { messageTrace }),
    ...(usesJetStream ? { usesJetStream } : {}),
  };
}

function exportRule({ accounts, ...options }: ExportOptions): ExportRule {
  return { ...options, importers: accounts, needsToken: false, revocations: new Map() };
}

function importRule(options: ImportOptions): ImportRule {
  const { kind, account, subject, to = "", prefix = "", share, allowTrace } = options;
  return { kind, exporter: account, remote: subject, local: to, prefix, share, allowTrace, token: "" };
}
