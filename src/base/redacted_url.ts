// URLs as logs may show them. Before the last `@` of what follows the scheme stand a user and, behind the first colon, a password.

/** `nats://user:xxxxx@host`, of a URL that has been found to be one. Source: Go's `URL.Redacted`. */
export function withoutPassword(url: string): string {
  return url.replace(/^(\w[\w+.-]*:\/\/[^/?#:]*):[^/?#]*@/, "$1:xxxxx@");
}

/** `nats://[REDACTED]@host`, of any text that may be a URL. */
export function withoutUser(url: string): string {
  return url.replace(/\/\/.*@/s, "//[REDACTED]@");
}
