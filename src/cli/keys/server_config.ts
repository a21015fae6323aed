import type { Store } from "./store.ts";

export interface ServerConfigOptions {
  readonly port: number;
  /** The folder the server keeps accounts in, absolute: servers take it from where they are started. */
  readonly accountsFolder: string;
}

/**
 * The configuration of a server for the operator of `store`. Its resolver is `full`, so that accounts made or edited
 * later are pushed to the running server, and all accounts there are now are preloaded, so that it serves them before
 * anything was pushed. It holds no secret.
 */
export function serverConfigText(store: Store, { port, accountsFolder }: ServerConfigOptions): string {
  const operator = store.operator();
  const preload = store
    .accounts()
    .map(({ claims, token }) => `  # ${claims.name}\n  ${claims.subject}: ${JSON.stringify(token)}\n`)
    .join("");
  return `# A server for operator ${store.operatorName}.

port: ${port}

operator: ${JSON.stringify(operator.token)}
system_account: ${operator.claims.nats.systemAccount}

# The server keeps accounts in this folder, and takes what "midge push" or "nsc push" sends.
# Change the path when you move the folder or start the server on another machine.
resolver {
  type: full
  dir: ${JSON.stringify(accountsFolder)}
  allow_delete: true
  interval: "2m"
  timeout: "1.9s"
}

# What it knows before anything was pushed; what was pushed later wins.
resolver_preload {
${preload}}
`;
}
