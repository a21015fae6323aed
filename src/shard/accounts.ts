/** A shard's accounts: their definitions with the transforms compiled. Subjects are byte strings. */
import { AppliedServiceImport, AppliedStreamImport } from "../account/applied_imports.ts";
import { type AccountDefinition, GLOBAL_ACCOUNT_ID } from "../account/definition.ts";
import { AccountMappings } from "../account/mapping.ts";
import { MESSAGE_LINE_BYTES_MAX } from "../memory/layout.ts";
import { byteStringOfText, bytesOf } from "../subject/byte_string.ts";
import { isLiteralText, subjectsCollideText } from "../subject/text.ts";
import type { StreamLeg } from "./plans/plan_rules.ts";

const NO_SERVICES: readonly AppliedServiceImport[] = [];
const NO_IMPORTERS: readonly Importer[] = [];
const INBOXES = "_INBOX.>";
const STAR = 0x2a;
const GREATER = 0x3e;

/** What this shard has counted for an account since it started. */
export interface AccountTally {
  subscriptionsAdded: number;
  subscriptionsRemoved: number;
}

/** An account that imports messages of another one, and how. */
interface Importer {
  readonly account: number;
  readonly imported: AppliedStreamImport;
}

export class ShardAccount {
  readonly definition: AccountDefinition;
  readonly tally: AccountTally;
  readonly id: number;
  readonly name: string;
  /** The name as a byte string, which is how links refer to the account. */
  readonly byteName: string;
  /** The accounts whose stream imports take messages of this one; set once all accounts are known. */
  importers: readonly Importer[] = [];
  /** The account's own stream imports. */
  readonly streams: readonly AppliedStreamImport[];
  /** Whether a subject below `_INBOX.` may be mapped. */
  readonly mapsInboxes: boolean;
  readonly #mappings: AccountMappings | null;
  readonly #literalServices = new Map<string, AppliedServiceImport[]>();
  readonly #wildcardServices: AppliedServiceImport[] = [];
  /** For each first byte of a subject: 1 if a service import may match it. */
  readonly #firstBytes = new Uint8Array(256);

  constructor(definition: AccountDefinition, tally: AccountTally, clusterName: string | undefined) {
    this.definition = definition;
    this.tally = tally;
    this.id = definition.id;
    this.name = definition.name;
    this.byteName = byteStringOfText(definition.name);
    const mappings = new AccountMappings(definition.mappings, clusterName);
    this.#mappings = mappings.isEmpty ? null : mappings;
    this.mapsInboxes = definition.mappings.some(({ source }) => subjectsCollideText(source, INBOXES));
    this.streams = definition.streamImports.map((imported) => new AppliedStreamImport(imported));
    for (const imported of definition.serviceImports) {
      const local = byteStringOfText(imported.local);
      const service = new AppliedServiceImport(imported);
      if (isLiteralText(imported.local))
        this.#literalServices.getOrInsertComputed(local, () => []).push(service);
      else this.#wildcardServices.push(service);
      const first = local.charCodeAt(0);
      if (first === STAR || first === GREATER) this.#firstBytes.fill(1);
      else this.#firstBytes[first] = 1;
    }
  }

  get isSystem(): boolean {
    return this.definition.isSystem;
  }

  get hasServices(): boolean {
    return this.definition.serviceImports.length > 0;
  }

  get hasMappings(): boolean {
    return this.#mappings !== null;
  }

  /** Whether other accounts import streams of this one. */
  get isImported(): boolean {
    return this.importers.length > 0;
  }

  /**
   * Whether a published subject is neither mapped nor imported by other accounts nor a service import's. May say no
   * where yes would be true.
   */
  isPlainFor(firstByte: number): boolean {
    return this.#mappings === null && this.importers.length === 0 && this.#firstBytes[firstByte] === 0;
  }

  /**
   * The subject that a message is mapped to, drawn anew if a mapping has several destinations; null if the message is
   * lost.
   */
  map(subject: string): string | null {
    const mapping = this.#mappings?.find(subject);
    return mapping === undefined ? subject : orLost(mapping.choose(subject, randomBelow));
  }

  /**
   * The subject that messages are mapped to if it is always the same one; null if they are lost or it must be drawn for
   * each message.
   */
  constantMapping(subject: string): string | null {
    const mapping = this.#mappings?.find(subject);
    if (mapping === undefined) return subject;
    return mapping.isDeterministic ? orLost(mapping.choose(subject, randomBelow)) : null;
  }

  /** The service imports that take a message on a subject, which is the one after mapping. */
  servicesFor(subject: string): readonly AppliedServiceImport[] {
    const literal = this.#literalServices.get(subject) ?? NO_SERVICES;
    if (this.#wildcardServices.length === 0) return literal;
    return [...literal, ...this.#wildcardServices.filter((service) => service.covers(subject))];
  }

  /** A message on a subject as other accounts import it. */
  legsOf(subject: string): StreamLeg[] {
    const legs: StreamLeg[] = [];
    for (const { account, imported } of this.importers) {
      if (!imported.covers(subject)) continue;
      const local = orLost(imported.localSubject(subject));
      if (local !== null) legs.push({ account, subject: bytesOf(local), definition: imported.definition });
    }
    return legs;
  }
}

export class ShardAccounts {
  /** The accounts that operator mode has loaded, by id; those of the configuration are not among them. */
  readonly #loaded = new Map<number, AccountDefinition>();
  #clusterName: string | undefined;
  readonly #byId = new Map<number, ShardAccount>();
  readonly #byName = new Map<string, ShardAccount>();
  readonly #byByteName = new Map<string, ShardAccount>();
  readonly #tallies = new Map<number, AccountTally>();

  constructor(configured: readonly AccountDefinition[], clusterName: string | undefined) {
    this.configure(configured, clusterName);
  }

  /** Adopts the definitions of a configuration. Every `ShardAccount` obtained before is outdated then. */
  configure(configured: readonly AccountDefinition[], clusterName: string | undefined): void {
    this.#clusterName = clusterName;
    for (const id of [...this.#byId.keys()]) this.#remove(id);
    for (const definition of [...configured, ...this.#loaded.values()]) this.#add(definition);
    this.#findImporters();
  }

  /**
   * Adopts changes of accounts in operator mode. Those come one at a time, by the thousand, so accounts that have not
   * changed stay.
   */
  update(changed: readonly AccountDefinition[], removed: readonly number[]): void {
    for (const definition of changed) {
      this.#loaded.set(definition.id, definition);
      this.#add(definition);
    }
    for (const id of removed) {
      this.#loaded.delete(id);
      this.#remove(id);
    }
    this.#findImporters();
  }

  #add(definition: AccountDefinition): void {
    this.#remove(definition.id);
    const tally = this.#tallies.getOrInsertComputed(definition.id, () => ({
      subscriptionsAdded: 0,
      subscriptionsRemoved: 0,
    }));
    const account = new ShardAccount(definition, tally, this.#clusterName);
    this.#byId.set(account.id, account);
    this.#byName.set(account.name, account);
    this.#byByteName.set(account.byteName, account);
  }

  #remove(id: number): void {
    const account = this.#byId.get(id);
    if (account === undefined) return;
    this.#byId.delete(id);
    this.#byName.delete(account.name);
    this.#byByteName.delete(account.byteName);
  }

  #findImporters(): void {
    const importers = new Map<number, Importer[]>();
    for (const { id, streams } of this.#byId.values()) {
      for (const imported of streams) {
        importers.getOrInsertComputed(imported.definition.exporter, () => []).push({ account: id, imported });
      }
    }
    for (const account of this.#byId.values()) account.importers = importers.get(account.id) ?? NO_IMPORTERS;
  }

  all(): Iterable<ShardAccount> {
    return this.#byId.values();
  }

  byId(id: number): ShardAccount | undefined {
    return this.#byId.get(id);
  }

  byName(name: string): ShardAccount | undefined {
    return this.#byName.get(name);
  }

  byByteName(byteName: string): ShardAccount | undefined {
    return this.#byByteName.get(byteName);
  }

  /** The global account, which every connection is in before it logs in. */
  get global(): ShardAccount {
    return this.#byId.get(GLOBAL_ACCOUNT_ID)!;
  }
}

export function randomBelow(bound: number): number {
  return Math.floor(Math.random() * bound);
}

/** The subject that a transform produced; null if it is longer than any that a client can write. */
export function orLost(subject: string | null): string | null {
  return subject !== null && subject.length > MESSAGE_LINE_BYTES_MAX ? null : subject;
}
