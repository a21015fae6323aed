/** Whether text is a subject one may subscribe to: tokens without white space, `>` only as the last. */
export function isValidSubject(subject: string): boolean {
  if (subject === "" || /[ \t\r\n\f]/.test(subject)) return false;
  const tokens = subject.split(".");
  return tokens.every((token, index) => token !== "" && (token !== ">" || index === tokens.length - 1));
}
