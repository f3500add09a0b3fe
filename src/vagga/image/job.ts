import type { Compression } from '../build/tar.ts';

/** What the image worker is told, as JSON: it crosses a process border. Paths are the host's. */
export type ImageJob =
  /** A tar of the root goes to stdout. */
  | { readonly kind: 'pack'; readonly root: string; readonly compression: Exclude<Compression, 'zstd'> }
  /** Fills the folder, which is made. */
  | {
      readonly kind: 'unpack';
      /** An address, or a file of the host. */
      readonly source: string;
      readonly root: string;
      /** Proxies. */
      readonly environment: Readonly<Record<string, string>>;
    };
