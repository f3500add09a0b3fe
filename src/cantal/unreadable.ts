import type { ProcessRow } from '../native/scanner.ts';

/** Something that this user may not see of the host, and by which right it could. */
export interface Unreadable {
  readonly what: string;
  readonly processes: number;
  readonly of: number;
  readonly needs: string;
}

/**
 * What /status says of a scan without rights (proc(5): the same check of ptrace(2) guards io, environ, root and fd).
 * A process whose io cannot be read is one whose exported numbers are not looked for either.
 */
export function unreadable(rows: readonly ProcessRow[]): readonly Unreadable[] {
  // The kernel's own threads and the dead have no memory, and no io that is asked for.
  const hidden = rows.filter(({ readBytes, vsize }) => readBytes === null && vsize > 0).length;
  if (hidden === 0) return [];
  return [
    {
      what: 'io, environ and exported numbers of other users’ processes',
      processes: hidden,
      of: rows.length,
      needs: 'CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, or root',
    },
  ];
}
