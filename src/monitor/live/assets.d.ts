/** For programs that embed Midge, whose type check does not look into JavaScript. */
export const LIVE_ASSETS: ReadonlyMap<string, { readonly type: string; readonly text: string }>;
