/** Why a version does not come out; null where all went well. */
export type Stop =
  /** What it depends on is not there yet: a container that is not built, a file that is to be made. */
  | { readonly kind: 'not-ready'; readonly reason: string }
  /** It never comes out as things stand. */
  | { readonly kind: 'failed'; readonly reason: string };

export const notReady = (reason: string): Stop => ({ kind: 'not-ready', reason });
export const failed = (reason: string): Stop => ({ kind: 'failed', reason });
