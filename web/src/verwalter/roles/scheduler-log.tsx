import { useEffect, useState } from 'preact/hooks';

const everyMs = 5_000;
const requestTimeoutMs = 10_000;

/** What the scheduler wrote in its last round; only the leader has it. Asked for while it is open. */
export function SchedulerLog() {
  const [open, setOpen] = useState(false);
  const text = useText('/v1/scheduler_debug_info', open);
  return (
    <details class="log-menu" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Log</summary>
      {open && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard (WCAG 2.1.1)
        <pre tabIndex={0}>
          {text === null ? '…' : text.trim() === '' ? 'The scheduler has written nothing in its last round.' : text}
        </pre>
      )}
    </details>
  );
}

function useText(path: string, wanted: boolean): string | null {
  const [text, setText] = useState<string | null>(null);
  useEffect(() => {
    if (!wanted) return;
    let gone = false;
    const ask = async () => {
      const found = await fetch(path, { signal: AbortSignal.timeout(requestTimeoutMs) }).then(
        async (reply) =>
          reply.ok ? await reply.text() : `The agent answered ${reply.status}: this node leads no longer.`,
        () => 'The agent is not reachable.',
      );
      if (!gone) setText(found);
    };
    void ask();
    const timer = setInterval(() => void ask(), everyMs);
    return () => {
      gone = true;
      clearInterval(timer);
    };
  }, [path, wanted]);
  return text;
}
