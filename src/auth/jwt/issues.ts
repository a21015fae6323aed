/** One finding of validation. */
export interface Issue {
  readonly text: string;
  /** Whether it makes the token unusable. An issue that neither blocks nor is a time check is a warning. */
  readonly isBlocking: boolean;
  /** Whether it is about the current time; callers decide whether that blocks. */
  readonly isTimeCheck: boolean;
}

/** Collects issues in the order in which they are found. */
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

/** Whether any of the issues forbids using the token. `withTimeChecks` says whether issues about time count. */
export function areBlocking(
  issues: readonly Issue[],
  options: { readonly withTimeChecks: boolean },
): boolean {
  return issues.some(({ isBlocking, isTimeCheck }) => isBlocking || (options.withTimeChecks && isTimeCheck));
}
