import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';

/** Makes its content only while it is open: a schedule's JSON is not written every 2 s for nobody. */
export function Foldable({ summary, children }: { summary: string; children: () => ComponentChildren }) {
  const [open, setOpen] = useState(false);
  return (
    <details open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{summary}</summary>
      {open && children()}
    </details>
  );
}
