import { byteStringOfText, bytesOf } from "../subject/byte_string.ts";
import { isLiteralText, subjectMatchesText } from "../subject/text.ts";
import { compileTransform } from "../subject/transform.ts";
import type { AccountDefinition, ServiceImport, StreamImport } from "./definition.ts";

/** Imports as a shard applies them. All subjects are byte strings. */

/** Turns the subject of a message on one side of an import into its subject on the other side. */
type Renaming = (subject: string) => string;

/** A stream import: which messages of the exporter it takes, and how they are called here. */
export class AppliedStreamImport {
  readonly definition: StreamImport;
  readonly #from: string;
  readonly #rename: Renaming;

  constructor(definition: StreamImport) {
    const { from, to } = definition;
    this.definition = definition;
    this.#from = byteStringOfText(from);
    this.#rename = renaming(from, to);
  }

  /** Whether a message published on `subject` in the exporting account is delivered here too. */
  covers(subject: string): boolean {
    return subjectMatchesText(this.#from, subject);
  }

  /** The local subject of a message that is covered. */
  localSubject(subject: string): string {
    return this.#rename(subject);
  }
}

/** A subject in both its forms. */
interface RemoteSubject {
  readonly text: string;
  readonly bytes: Uint8Array;
}

/** A service import: which messages here are requests, and how they are called in the exporting account. */
export class AppliedServiceImport {
  readonly definition: ServiceImport;
  readonly #local: string;
  readonly #rename: Renaming;
  /** Of the last request: requests are often on one subject. */
  #lastSubject: string | null = null;
  #lastRemote: RemoteSubject = { text: "", bytes: new Uint8Array(0) };

  constructor(definition: ServiceImport) {
    this.definition = definition;
    this.#local = byteStringOfText(definition.local);
    this.#rename = renaming(definition.local, definition.remote);
  }

  /** Whether a message published here on `subject` is a request. */
  covers(subject: string): boolean {
    return subjectMatchesText(this.#local, subject);
  }

  /** The subject in the exporting account, before its mappings, of a request that is covered. */
  remoteSubject(subject: string): RemoteSubject {
    if (subject !== this.#lastSubject) {
      const text = this.#rename(subject);
      this.#lastRemote = { text, bytes: bytesOf(text) };
      this.#lastSubject = subject;
    }
    return this.#lastRemote;
  }
}

/** Whether what is published on a subject of an account is a request to a service that it imports. */
export function importsService({ serviceImports }: AccountDefinition, subject: string): boolean {
  return serviceImports.some(({ local }) => subjectMatchesText(local, subject));
}

function renaming(source: string, destination: string): Renaming {
  if (source === destination) return (subject) => subject;
  const compiled = compileTransform(source, destination);
  // A literal carries nothing over, and a destination that is not a transform of its source stands for itself.
  const constant = byteStringOfText(destination);
  if (isLiteralText(source) || "problem" in compiled) return () => constant;
  return (subject) => compiled.apply(subject.split("."), noRandom);
}

/** Imports have no `random`. */
function noRandom(): number {
  return 0;
}
