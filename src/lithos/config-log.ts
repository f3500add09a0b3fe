import { appendFileSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { DesiredInstance } from './desired.ts';

/** lithos 4.1.7. */
const rollBytes = 10_485_760;
const keptFiles = 100;

/** The history of what was asked for: `TIME JSON` lines, one file per sandbox; a line where something has changed. */
export function configLog(dir: string): (instances: readonly DesiredInstance[], now: Date) => void {
  const last = new Map<string, string>();
  return (instances, now) => {
    const bySandbox = new Map<string, Map<string, DesiredInstance[]>>();
    for (const instance of instances) {
      const processes = bySandbox.get(instance.sandbox) ?? new Map<string, DesiredInstance[]>();
      processes.set(instance.process, [...(processes.get(instance.process) ?? []), instance]);
      bySandbox.set(instance.sandbox, processes);
    }
    for (const [sandbox, processes] of bySandbox) {
      const entries = [...processes].map(([name, all]) => {
        const definition = JSON.parse(all[0]?.instanceJson ?? '{}') as Readonly<Record<string, unknown>>;
        return [name, { ...definition, instances: all.length }] as const;
      });
      const text = JSON.stringify(Object.fromEntries(entries));
      if (last.get(sandbox) === text) continue;
      last.set(sandbox, text);
      const file = join(dir, `${sandbox}.log`);
      roll(dir, file, now);
      appendFileSync(file, `${now.toISOString()} ${text}\n`, { mode: 0o640 });
    }
  };
}

function roll(dir: string, file: string, now: Date): void {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size < rollBytes) return;
  renameSync(file, `${file}.${now.toISOString()}`);
  const old = readdirSync(dir)
    .filter((name) => join(dir, name).startsWith(`${file}.`))
    .sort();
  for (const name of old.slice(0, Math.max(0, old.length - keptFiles))) rmSync(join(dir, name), { force: true });
}
