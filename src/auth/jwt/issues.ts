/** What validation has to say about claims. */
export interface Issue {
  readonly text: string;
  /** Whether the token cannot be used for it. Neither this nor a time check is a warning. */
  readonly isBlocking: boolean;
  /** Whether it is about the time at hand: callers decide whether that blocks. */
  readonly isTimeCheck: boolean;
}

/** Issues as they are found. */
export class Issues {
  readonly found: Issue[] = [];

  block(text: string): void {
    this.found.push({ text, isBlocking: true, isTimeCheck: false });
  }

  warn(text: string): void {
    this.found.push({ text, isBlocking: false, isTimeCheck: false });
  }

  timeCheck(text: string): void {
    this.found.push({ text, isBlocking: false, isTimeCheck: true });
  }
}

/** Whether any of the issues, those about time included or not, forbids the use of the token. */
export function areBlocking(
  issues: readonly Issue[],
  options: { readonly withTimeChecks: boolean },
): boolean {
  return issues.some(({ isBlocking, isTimeCheck }) => isBlocking || (options.withTimeChecks && isTimeCheck));
}
