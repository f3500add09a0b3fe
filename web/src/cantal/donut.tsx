interface Props {
  /** Shares of the whole, 0 … 1. */
  readonly parts: readonly { readonly label: string; readonly share: number }[];
  readonly title: string;
}

const radius = 40;
const around = 2 * Math.PI * radius;

export function Donut({ parts, title }: Props) {
  let start = 0;
  return (
    <svg class="donut" viewBox="0 0 100 100" role="img" aria-label={title}>
      <circle cx="50" cy="50" r={radius} class="whole" />
      {parts.map(({ label, share }, index) => {
        const offset = start;
        start += share;
        return (
          <circle
            key={label}
            cx="50"
            cy="50"
            r={radius}
            class={`part line-${(index % 4) + 1}`}
            stroke-dasharray={`${Math.max(0, share) * around} ${around}`}
            stroke-dashoffset={-offset * around}
          >
            <title>{label}</title>
          </circle>
        );
      })}
    </svg>
  );
}
