// URLs as logs may show them. Behind the scheme, a user and, after the first colon, a password stand before the last
// `@`.

/** A valid URL as `nats://user:xxxxx@host`. Source: Go's `URL.Redacted`. */
export function withoutPassword(url: string): string {
  return url.replace(/^(\w[\w+.-]*:\/\/[^/?#:]*):[^/?#]*@/, "$1:xxxxx@");
}

/** Any text that may be a URL as `nats://[REDACTED]@host`. */
export function withoutUser(url: string): string {
  return url.replace(/\/\/.*@/s, "//[REDACTED]@");
}
