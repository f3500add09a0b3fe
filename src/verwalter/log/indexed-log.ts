import {
  appendFileSync,
  type Dirent,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { type Marker, markerText, type Pointer } from './pointer.ts';
import { type LogKeep, outdatedSegments } from './retention.ts';

/**
 * The logs of deployments on this node (spec/verwalter.md 6.1): texts in `.global`, `.changes` and a folder for each
 * role, and an index of JSON lines that says at which byte of which file something begins. Each append is one write(2)
 * with O_APPEND. A log that cannot be written stops nothing; `problem()` tells of it.
 */
export interface IndexedLog {
  /** Begins a deployment with the text that belongs to all roles. */
  deployment(id: string, text: string): DeploymentLog;
  /** What changed outside of a deployment, sentence by sentence. */
  changes(hash: string, sentences: readonly string[]): void;
  /** A role of a deployment that somebody else has begun. */
  role(id: string, role: string): RoleLog;
  /** Why something of the newest deployment could not be written; null: all was. */
  problem(): string | null;
}

export interface DeploymentLog {
  /** What changed, sentence by sentence. */
  changes(hash: string, sentences: readonly string[]): void;
  role(role: string): RoleLog;
  finish(how: 'DeploymentFinish' | 'DeploymentError'): void;
}

export interface RoleLog {
  line(text: string): void;
  action(which: 'ActionStart' | 'ActionFinish', renderFile: string): void;
  external(name: string, size: number): void;
  finish(): void;
}

export interface IndexedLogOptions {
  readonly dir: string;
  readonly keep: LogKeep;
  readonly nowMs: () => number;
}

/** A file is closed at this size, when the next deployment or role begins. */
const rollBytes = 10 * 2 ** 20;
const cleanEveryMs = 3_600_000;
const fileMode = 0o640;

export const openIndexedLog = ({ dir, keep, nowMs }: IndexedLogOptions): IndexedLog => {
  let problem: string | null = null;
  let cleanedAtMs = Number.NEGATIVE_INFINITY;
  const attempt = <T>(otherwise: T, what: () => T): T => {
    try {
      return what();
    } catch (error) {
      problem = (error as Error).message;
      return otherwise;
    }
  };

  const index = (id: string, pointer: Pointer, marker: Marker): void =>
    attempt(undefined, () => {
      const day = digits(nowMs()).slice(0, 8);
      const file = openSegment(join(dir, '.index'), `index.${day}.json`);
      appendFileSync(file, `${JSON.stringify([new Date(nowMs()).toISOString(), id, pointer, marker])}\n`, {
        mode: fileMode,
      });
    });

  const clean = (): void => {
    if (nowMs() - cleanedAtMs < cleanEveryMs) return;
    cleanedAtMs = nowMs();
    attempt(undefined, () => {
      for (const path of outdatedSegments(segmentsOf(dir), keep, nowMs())) rmSync(path, { force: true });
    });
  };

  /** The file that is written to now, and how long it is. */
  const segment = (folder: string): { readonly file: string; readonly name: string; readonly offset: number } => {
    const latest = latestOf(folder);
    const size = latest === null ? 0 : (statSync(join(folder, latest), { throwIfNoEntry: false })?.size ?? 0);
    if (latest !== null && size < rollBytes) {
      return { file: join(folder, latest), name: segmentName(latest), offset: size };
    }
    const name = digits(nowMs());
    return { file: openSegment(folder, `log.${name}.txt`), name, offset: 0 };
  };

  const banner = (id: string, subject: string, marker: Marker): string =>
    `${new Date(nowMs()).toISOString()} ${id} ------------ ${subject}: ${markerText(marker)} -----------\n`;

  const nowhere = { file: '/dev/null', name: '', offset: 0 };
  const append = (file: string, text: string): void =>
    attempt(undefined, () => appendFileSync(file, text, { mode: fileMode }));

  const roleOf = (id: string, role: string): RoleLog => {
    const own = attempt(nowhere, () => segment(join(dir, role)));
    const place = (): Pointer => ({
      variant: 'Role',
      fields: [role, own.name, statSync(own.file, { throwIfNoEntry: false })?.size ?? 0],
    });
    const mark = (marker: Marker): void => {
      index(id, place(), marker);
      append(own.file, banner(id, role, marker));
    };
    mark('RoleStart');
    return {
      line: (line) => append(own.file, withNewline(line)),
      action: (which, renderFile) => mark({ variant: which, fields: [renderFile] }),
      external(externalName, size) {
        index(id, { variant: 'External', fields: [externalName, size] }, 'ExternalLog');
        append(own.file, `${externalName} is ${size} bytes long\n`);
      },
      finish: () => mark('RoleFinish'),
    };
  };

  const changesOf = (hash: string, sentences: readonly string[]): Pointer => {
    const own = attempt(nowhere, () => segment(join(dir, '.changes')));
    const time = new Date(nowMs()).toISOString();
    const lines = sentences.map((sentence) => `${time}: ${hash.slice(0, 8)}: ${oneLine(sentence)}\n`);
    append(own.file, lines.join(''));
    return { variant: 'Changes', fields: [own.name, own.offset] };
  };

  return {
    problem: () => problem,
    changes: (hash, sentences) => void changesOf(hash, sentences),
    role: roleOf,
    deployment(id, text) {
      problem = null;
      clean();
      const globalFolder = join(dir, '.global');
      const { file, name, offset } = attempt(nowhere, () => segment(globalFolder));
      index(id, { variant: 'Global', fields: [name, offset] }, 'DeploymentStart');
      append(file, banner(id, 'deployment', 'DeploymentStart') + withNewline(text));
      const now = (): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;
      return {
        changes(hash, sentences) {
          if (sentences.length > 0) index(id, changesOf(hash, sentences), 'DeploymentChanges');
        },
        role: (role) => roleOf(id, role),
        finish(how) {
          index(id, { variant: 'Global', fields: [name, now()] }, how);
          append(file, banner(id, 'deployment', how));
        },
      };
    },
  };
};

const withNewline = (text: string): string => (text === '' || text.endsWith('\n') ? text : `${text}\n`);
const oneLine = (text: string): string => text.replaceAll(/\s*\n\s*/g, ' ');

/** "20260102030405", UTC. */
const digits = (ms: number): string => new Date(ms).toISOString().replaceAll(/\D/g, '').slice(0, 14);
const segmentName = (file: string): string => file.replaceAll(/\D/g, '');

const latestOf = (folder: string): string | null => {
  try {
    return readlinkSync(join(folder, 'latest'));
  } catch {
    return null;
  }
};

/** Makes a file the one that `latest` points at. */
const openSegment = (folder: string, name: string): string => {
  const file = join(folder, name);
  if (latestOf(folder) === name) return file;
  mkdirSync(folder, { recursive: true, mode: 0o750 });
  const link = join(folder, `.latest.${process.pid}`);
  rmSync(link, { force: true });
  symlinkSync(name, link);
  renameSync(link, join(folder, 'latest'));
  return file;
};

/** Names of files of these logs. */
export const segmentPattern = /^(?:log\.\d{14}\.txt|index\.\d{8}\.json)$/;

const segmentsOf = (dir: string) => {
  const folders: Dirent[] = readdirSync(dir, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return folders.flatMap(({ name: folder }) =>
    readdirSync(join(dir, folder))
      .filter((name) => segmentPattern.test(name))
      .flatMap((name) => {
        const path = join(dir, folder, name);
        const stat = statSync(path, { throwIfNoEntry: false });
        const current = latestOf(dirname(path)) === name;
        return stat === undefined ? [] : [{ path, bytes: stat.size, modifiedMs: stat.mtimeMs, current }];
      }),
  );
};
