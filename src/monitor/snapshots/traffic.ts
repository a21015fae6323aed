/** Counters of messages. */

/** In is what the server received, out what it sent. */
export interface Traffic {
  readonly inMessages: number;
  readonly outMessages: number;
  readonly inBytes: number;
  readonly outBytes: number;
}

export interface CountByKind {
  readonly clients: number;
  readonly routes: number;
  readonly gateways: number;
  readonly leafnodes: number;
}

export interface MessageCount {
  readonly messages: number;
  readonly bytes: number;
}
