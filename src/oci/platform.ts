/** What an image is for (OCI image-spec, image-index.md); the operating system is always linux. */
export interface Platform {
  /** As Go names it. */
  readonly architecture: string;
  /** `v7` of arm; null: any. */
  readonly variant: string | null;
}

/** Which image of a layout. */
export interface Wanted {
  readonly platform: Platform;
  readonly tag: string | null;
  /** sha256 in hex of an index or a manifest; what it says holds, whatever the tag leads to. */
  readonly digest: string | null;
}

const architectures: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', mipsel: 'mipsle' };

export const machinePlatform = (arch: string = process.arch): Platform => ({
  architecture: architectures[arch] ?? arch,
  variant: null,
});

export const anyOf = (platform: Platform): Wanted => ({ platform, tag: null, digest: null });

/** `linux/arm/v7`, `linux/amd64` or `amd64`; null: neither. */
export function parsePlatform(text: string): Platform | null {
  const [, architecture, variant] = /^(?:linux\/)?([a-z0-9_]+)(?:\/(v\d+))?$/.exec(text) ?? [];
  return architecture === undefined || architecture === 'linux' ? null : { architecture, variant: variant ?? null };
}

export const platformName = ({ architecture, variant }: Platform): string =>
  `linux/${architecture}${variant === null ? '' : `/${variant}`}`;

/** Whether a descriptor's `platform` is this one. */
export const isFor = (of: Readonly<Record<string, unknown>>, { architecture, variant }: Platform): boolean =>
  of.os === 'linux' && of.architecture === architecture && (variant === null || of.variant === variant);
