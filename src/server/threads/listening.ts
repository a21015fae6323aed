/** How a server listens: by an acceptor that hands connections over, or by its shards themselves. */
import type { ListenerKind } from "../../fabric/listeners.ts";
import type { ListenerOptions } from "./listeners.ts";

/** The port that each kind of connection comes to. */
export type Ports = ReadonlyMap<ListenerKind, number>;

export type ListenResult =
  | { readonly ok: true; readonly ports: Ports }
  | { readonly ok: false; readonly listener: ListenerOptions; readonly error: string };

/** What shards have to hear before anybody connects. */
export interface ListeningSteps {
  portsKnown(ports: Ports): void;
  setUpLinks(): void;
}

export interface Listening {
  /** Threads it has besides the shards. */
  readonly threadNames: readonly string[];
  /** Starts what can be started before ports are opened. */
  start(): Promise<void>;
  /** Opens the ports, once; resolves when connections are taken. */
  listen(listeners: readonly ListenerOptions[], steps: ListeningSteps): Promise<ListenResult>;
  /** Takes no connections of these kinds any more; resolves when nobody can connect. */
  close(kinds: readonly ListenerKind[]): Promise<void>;
  /** Closes all ports, but for those that end with the shards. */
  stop(): Promise<void>;
}
