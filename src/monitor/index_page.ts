const LINKS: readonly [path: string, title: string][] = [
  ["/live", "Live page"],
  ["/varz", "General"],
  ["/jsz", "JetStream"],
  ["/connz", "Connections"],
  ["/accountz", "Accounts"],
  ["/accstatz", "Account statistics"],
  ["/subsz", "Subscriptions"],
  ["/routez", "Routes"],
  ["/leafz", "Leafnodes"],
  ["/gatewayz", "Gateways"],
  ["/raftz", "Raft groups"],
  ["/healthz", "Health"],
  ["/shardz", "Shards"],
  ["/metrics", "Prometheus metrics"],
  ["/debug/vars", "Process"],
];

/** The page at `/`: the version and relative links to the reports, ASCII only. */
export function indexPage(version: string, basePath: string): string {
  const prefix = basePath === "/" ? "" : basePath;
  const links = LINKS.map(([path, title]) => `      <li><a href=.${prefix}${path}>${title}</a> ${path}</li>`);
  return `<html lang="en">
  <head>
    <title>Midge monitoring</title>
    <style>
      body { font-family: sans-serif; margin: 2em }
      li { list-style: none; line-height: 1.6 }
    </style>
  </head>
  <body>
    <h1>Midge v${version}</h1>
    <ul>
${links.join("\n")}
    </ul>
  </body>
</html>`;
}
