/** Keys of every command. */
interface Banner {
  readonly banner: string | null;
  /** Seconds. */
  readonly bannerDelay: number;
}

/**
 * Tells the banner: at once, or after its delay while the command runs, so that it does not drown in what others print at
 * their start. The function that comes back takes one back that is still due.
 */
export function showBanner({ banner, bannerDelay }: Banner, tell: (message: string) => void): () => void {
  if (banner === null) return () => {};
  const text = banner.trimEnd();
  if (bannerDelay === 0) {
    tell(text);
    return () => {};
  }
  const timer = setTimeout(() => tell(text), bannerDelay * 1000);
  return () => clearTimeout(timer);
}
