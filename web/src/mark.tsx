export type Tone = 'good' | 'warn' | 'bad' | 'idle';

// Shapes differ as well as colours: told apart without seeing colour.
const shapes: Readonly<Record<Tone, string>> = { good: '●', warn: '▲', bad: '✕', idle: '○' };

/** A decoration beside a word; the word carries the meaning. */
export function Mark({ tone }: { tone: Tone }) {
  return (
    <span class={`mark ${tone}`} aria-hidden="true">
      {shapes[tone]}
    </span>
  );
}
