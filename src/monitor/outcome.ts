/** A report, or the text of the error that the request made. */
export type Outcome<Report> =
  | { readonly ok: true; readonly report: Report }
  | { readonly ok: false; readonly message: string };

export function succeeded<Report>(report: Report): Outcome<Report> {
  return { ok: true, report };
}

export function failed<Report>(message: string): Outcome<Report> {
  return { ok: false, message };
}
