import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

interface Props {
  readonly label: string;
  readonly head: ComponentChildren;
  readonly columns: number;
  readonly count: number;
  /** A table row, `rowHeightPx` high. */
  readonly row: (index: number) => ComponentChildren;
}

/** The same as in style.css, .long-list td. */
export const rowHeightPx = 26;
/** Drawn beyond what is seen, so that scrolling shows no gaps. */
const spareRows = 12;

/** A table of any length, of which only what can be seen is in the document. */
export function LongList({ label, head, columns, count, row }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 600 });
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const look = () => setView({ top: element.scrollTop, height: element.clientHeight });
    look();
    const observer = new ResizeObserver(look);
    observer.observe(element);
    element.addEventListener('scroll', look, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener('scroll', look);
    };
  }, []);
  const first = Math.max(0, Math.min(Math.floor(view.top / rowHeightPx) - spareRows, count));
  const last = Math.min(count, first + Math.ceil(view.height / rowHeightPx) + 2 * spareRows);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard (WCAG 2.1.1)
    <section class="long-list" ref={box} tabIndex={0} aria-label={label}>
      <table aria-rowcount={count}>
        <thead>{head}</thead>
        <tbody>
          <Space rows={first} columns={columns} />
          {Array.from({ length: last - first }, (_, index) => row(first + index))}
          <Space rows={count - last} columns={columns} />
        </tbody>
      </table>
    </section>
  );
}

function Space({ rows, columns }: { rows: number; columns: number }) {
  if (rows <= 0) return null;
  return (
    <tr>
      <td colSpan={columns} style={{ height: `${rows * rowHeightPx}px`, padding: 0, border: 0 }} />
    </tr>
  );
}
