/** What main and the acceptor's thread tell each other. */
export interface AcceptorStart {
  readonly memory: WebAssembly.Memory;
  readonly engineCode: WebAssembly.Module;
  readonly listenFd: number;
}

export type AcceptorReport =
  | { readonly type: "ready"; readonly wakeHandle: number }
  | { readonly type: "paused"; readonly text: string }
  | { readonly type: "stopped" };
