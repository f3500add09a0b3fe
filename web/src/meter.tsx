interface Props {
  /** 0 … 1 */
  readonly share: number | null;
  readonly text: string;
  readonly label: string;
}

/** A thin bar over its figure. */
export function Meter({ share, text, label }: Props) {
  return (
    <span class="meter">
      <meter min={0} max={1} value={Math.min(1, share ?? 0)} aria-label={label}>
        {text}
      </meter>
      <span>{text}</span>
    </span>
  );
}
