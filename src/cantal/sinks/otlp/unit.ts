/** Units of our metrics in UCUM, as OTLP names them (spec cantal 4); null: a count, or not known. */
export function unitOf(metric: string): string | null {
  return units.find(([pattern]) => pattern.test(metric))?.[1] ?? null;
}

const units: readonly (readonly [pattern: RegExp, unit: string])[] = [
  [/^cpu\.(?!ctxt|forks|intr)|^(user|system)_time$/, '{tick}'],
  [/^psi\..*\.total$|^cgroup\.cpu\.(usage|user|system|throttled_time|quota|period)$/, 'us'],
  [/^psi\..*\.avg\d+$/, '%'],
  [/^disk\..*time$/, 'ms'],
  [/^(uptime|idle_time)$/, 's'],
  [/^hw\.temp$/, 'Cel'],
  [
    /^(vsize|rss|swap)$|bytes$|^memory\.(?!HugePages_)|^fs\.(size|free|avail)$|^cgroup\.(memory\.(current|peak|max|high|working_set)|swap\.)/,
    'By',
  ],
];
