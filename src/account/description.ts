import type { AccountDefinition, ServiceImport, StreamImport } from "./definition.ts";
import type { Export } from "./exports.ts";

/** An account for those who ask about it: more than shards go by. Plain data, fit for a structured clone. */
export interface AccountDescription {
  readonly definition: AccountDefinition;
  readonly exports: readonly Export[];
  /** Imports that worked until their exporter withdrew; they are not in the definition. */
  readonly lapsedImports: readonly (StreamImport | ServiceImport)[];
  /** Whether no import was left out when the account came or last changed. */
  readonly isComplete: boolean;
}
