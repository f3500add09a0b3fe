import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

export interface ListColumn {
  readonly title: string;
  /** A CSS length; none: an equal share of what is left. */
  readonly width?: string;
  /** On a phone; default: an equal share. */
  readonly phoneWidth?: string;
  readonly numeric?: boolean;
  /** Left out where there is little room. */
  readonly roomy?: boolean;
}

interface Props {
  readonly label: string;
  readonly columns: readonly ListColumn[];
  readonly count: number;
  /** A table row: a head and a cell for each column, with the class of the column. */
  readonly row: (index: number) => ComponentChildren;
  readonly rowHeightPx?: number;
  /** What the rows were chosen by: another choice is looked at from its start. */
  readonly choice?: string;
  /** Told which rows can be seen, at first and when that has changed. */
  readonly onSeen?: (first: number, last: number) => void;
}

const usualRowPx = 26;
/** Fingers need more. */
const touchRowPx = 38;
const narrow = '(max-width: 760px)';
/** Drawn beyond what is seen, so that scrolling shows no gaps. */
const spareRows = 12;

/** A table of any length, of which only what can be seen is in the document. */
export function LongList({ label, columns, count, row, rowHeightPx, choice, onSeen }: Props) {
  const box = useRef<HTMLElement>(null);
  const [view, setView] = useState({ top: 0, height: 600 });
  const [isNarrow, setNarrow] = useState(() => matchMedia(narrow).matches);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const query = matchMedia(narrow);
    const look = () => setView({ top: element.scrollTop, height: element.clientHeight });
    const follow = () => setNarrow(query.matches);
    look();
    const observer = new ResizeObserver(look);
    observer.observe(element);
    element.addEventListener('scroll', look, { passive: true });
    query.addEventListener('change', follow);
    return () => {
      observer.disconnect();
      element.removeEventListener('scroll', look);
      query.removeEventListener('change', follow);
    };
  }, []);

  useEffect(() => {
    if (box.current) box.current.scrollTop = 0;
  }, [choice]);

  // One more than there are would be a column of its own.
  const shown = columns.filter(({ roomy }) => !(isNarrow && roomy)).length;
  const rowPx = rowHeightPx ?? (isNarrow ? touchRowPx : usualRowPx);
  const seen = Math.floor(view.top / rowPx);
  const first = Math.max(0, Math.min(seen - spareRows, count));
  const last = Math.min(count, seen + Math.ceil(view.height / rowPx) + spareRows);
  useEffect(() => onSeen?.(first, last), [first, last, count]);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard (WCAG 2.1.1)
    <section class="long-list" ref={box} tabIndex={0} aria-label={label} style={{ '--row': `${rowPx}px` }}>
      <table aria-rowcount={count + 1}>
        <colgroup>
          {columns.map(({ title, width, phoneWidth, roomy }) => (
            <col
              key={title}
              class={roomy ? 'roomy' : undefined}
              style={{ width: (isNarrow ? phoneWidth : width) ?? 'auto' }}
            />
          ))}
        </colgroup>
        <thead>
          <tr aria-rowindex={1}>
            {columns.map(({ title, numeric, roomy }) => (
              <th key={title} scope="col" class={`${numeric ? 'number' : ''} ${roomy ? 'roomy' : ''}`}>
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          <Space rows={first} rowPx={rowPx} columns={shown} />
          {Array.from({ length: Math.max(0, last - first) }, (_, index) => row(first + index))}
          <Space rows={count - last} rowPx={rowPx} columns={shown} />
        </tbody>
      </table>
    </section>
  );
}

function Space({ rows, rowPx, columns }: { rows: number; rowPx: number; columns: number }) {
  if (rows <= 0) return null;
  return (
    <tr class="space">
      <td colSpan={columns} style={{ height: `${rows * rowPx}px` }} />
    </tr>
  );
}
