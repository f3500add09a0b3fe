/** What went into a version, in the order in which it was hashed (vagga 4, Digest). */
export type Field =
  | { readonly kind: 'command'; readonly at: Place }
  | {
      readonly kind: 'value';
      readonly at: Place;
      readonly key: string;
      readonly value: string;
      /** The project's file that says so; null where vagga.yaml does. Not hashed. */
      readonly file: string | null;
    }
  | { readonly kind: 'list'; readonly at: Place; readonly key: string; readonly values: readonly string[] }
  /** Bytes of a file alone, such as a lock file's. */
  | {
      readonly kind: 'content';
      readonly at: Place;
      readonly name: string;
      readonly size: number;
      readonly digest: string;
    }
  /** One entry of a file list; only where details were asked for. */
  | {
      readonly kind: 'file';
      readonly at: Place;
      readonly name: string;
      /** mode, uid, gid, is_executable, symlink: as they were hashed. */
      readonly attributes: Readonly<Record<string, string>>;
      readonly size: number;
      /** BLAKE2b-256 in hex, as `b2sum -l 256` prints it; null for folders and symbolic links. */
      readonly digest: string | null;
    }
  /** A whole file list, where no details were asked for. */
  | {
      readonly kind: 'files';
      readonly at: Place;
      readonly name: string;
      readonly entries: number;
      readonly bytes: number;
    };

export interface Place {
  /** Index in the setup, from 0; of steps that another container brings: `2.0`. Empty for the container's own keys. */
  readonly step: string;
  /** The step's tag without `!`; empty for the container's own keys. */
  readonly command: string;
}

/** One line for a person or a debugger. */
export function formatField(field: Field): string {
  const where = field.at.step === '' ? '' : `${field.at.step} !${field.at.command} `;
  switch (field.kind) {
    case 'command':
      return where.trimEnd();
    case 'value':
      return `${where}${field.key}: ${JSON.stringify(field.value)}`;
    case 'list':
      return `${where}${field.key}: ${JSON.stringify(field.values)}`;
    case 'content':
      return `${where}${field.name}: ${field.size} bytes ${field.digest}`;
    case 'file': {
      const attributes = Object.entries(field.attributes).map(([key, value]) => ` ${key}=${value}`);
      return `${where}${field.name}${attributes.join('')}${field.digest === null ? '' : ` ${field.size} bytes ${field.digest}`}`;
    }
    case 'files':
      return `${where}${field.name}: ${field.entries} entries, ${field.bytes} bytes`;
    default: {
      const unknown: never = field;
      return unknown;
    }
  }
}
