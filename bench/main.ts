import { spawnSync } from 'node:child_process';
import type { BenchRow } from './row.ts';

interface Bench {
  readonly about: string;
  measure(): Promise<readonly BenchRow[]>;
}

interface Entry {
  readonly about: string;
  /** Of node, for a bench that is measured in a process of its own. */
  readonly flags?: readonly string[];
  readonly load: () => Promise<{ measure: Bench['measure'] }>;
}

const benches: Readonly<Record<string, Entry>> = {
  agent: {
    about: 'CPU and memory of a running agent beside node_exporter and netdata',
    load: () => import('./agent.ts'),
  },
  cli: { about: 'start of the command line beside node -e 0', load: () => import('./cli.ts') },
  container: {
    about: 'container start beside the bare C program, bubblewrap, runc and crun',
    load: () => import('./container/container.ts'),
  },
  gossip: {
    about: 'a crash among 1000 simulated nodes: how soon it is known, at what price, beside memberlist’s numbers',
    // States are replaced, not changed: with V8's usual nursery most of the time goes into copying them.
    flags: ['--max-semi-space-size=64'],
    load: () => import('./gossip.ts'),
  },
  hash: {
    about: 'the version of a tree of 100 000 files beside sha256sum, b2sum and b3sum',
    load: () => import('./hash.ts'),
  },
  history: { about: 'bytes and time per sample of the one-hour history', load: () => import('./history.ts') },
  replay: {
    about: 'a recorded day of 100 nodes: bytes a round, and how fast another scheduler runs through it',
    load: () => import('./replay.ts'),
  },
  scheduler: {
    about: 'a round of the scheduler for 1 000 nodes beside the same Lua under lua5.4',
    load: () => import('./scheduler.ts'),
  },
  remote: {
    about: 'bytes between agents: streams beside repeated questions, sums beside raw samples',
    load: () => import('./remote.ts'),
  },
  query: {
    about: 'questions for an hour of 1000 series, and scrapes beside node_exporter',
    load: () => import('./query.ts'),
  },
  sim: {
    about: 'simulated node-hours a second beside a queue without machines',
    // As bench gossip.
    flags: ['--max-semi-space-size=64'],
    load: () => import('./sim.ts'),
  },
  'vagga-layers': {
    about: 'a container built again after a change of its last step, and the disk of both versions',
    load: () => import('./vagga-layers.ts'),
  },
  vagga: {
    about: 'from Enter to the first instruction of a command of vagga, beside bubblewrap, node -e 0, crun and podman',
    load: () => import('./vagga/vagga.ts'),
  },
  scan: { about: 'a scan of 10 000 metrics beside a C program that only preads', load: () => import('./scan.ts') },
};

const names = process.argv.slice(2).filter((word) => !word.startsWith('--'));
const options = process.argv.slice(2).filter((word) => word.startsWith('--'));
const unknown = [...names.filter((name) => !(name in benches)), ...options.filter((option) => option !== '--json')];
if (unknown.length > 0) {
  const list = Object.entries(benches).map(([name, { about }]) => `  ${name.padEnd(12)}${about}`);
  process.stderr.write(
    `bench: unknown ${unknown.join(', ')}\nusage: npm run bench -- [NAME …] [--json]\n${list.join('\n')}\n`,
  );
  process.exit(2);
}

const asJson = options.includes('--json');
const rows: BenchRow[] = [];
let failed = false;
for (const [name, bench] of Object.entries(benches)) {
  if (names.length > 0 && !names.includes(name)) continue;
  try {
    for (const row of await measured(name, bench)) {
      rows.push(row);
      if (!asJson) process.stdout.write(`${line(row)}\n`);
    }
  } catch (error) {
    failed = true;
    process.stderr.write(`bench ${name}: ${error instanceof Error ? error.message : String(error)}\n`);
  }
}
if (asJson) process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
process.exit(failed ? 1 : 0);

async function measured(name: string, { flags = [], load }: Entry): Promise<readonly BenchRow[]> {
  if (flags.every((flag) => process.execArgv.includes(flag))) return (await load()).measure();
  const words = [...flags, process.argv[1] ?? '', name, '--json'];
  const { status, stdout } = spawnSync(process.execPath, words, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error(`its process ended with ${status}`);
  return JSON.parse(stdout) as readonly BenchRow[];
}

function line(row: BenchRow): string {
  const own = `${row.bench}: ${row.figure}: ${number(row.value)} ${row.unit}`;
  const peer =
    row.peer === null || row.peerValue === null ? '' : `  | ${row.peer}: ${number(row.peerValue)} ${row.unit}`;
  const ratio = row.ratio === null ? '' : `  | ${row.ratio.toFixed(2)} ×`;
  const aim = row.aim === null ? '' : `  | aim ${row.aim}: ${row.met ? 'met' : 'NOT met'}`;
  return own + peer + ratio + aim;
}

function number(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(3);
}
