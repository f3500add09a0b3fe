import { rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { containerAddon } from '../../../src/native/container.ts';
import { packageRoot } from '../../../src/native/load.ts';
import { playStory } from './check.ts';
import { endLeftovers, type RunningCluster, startCluster } from './cluster.ts';
import { planLayout } from './layout.ts';
import { findLeftovers } from './leftovers.ts';
import { findNginx } from './nginx.ts';
import { defaultPorts, freePorts, type Ports, portsInUse } from './ports.ts';

const help = `npm start: the quickstart cluster, three nodes on this host

usage: npm start -- [options]

  --check        play the whole story unattended on free ports, one line a step; exit 0 or 1
  --port N       HTTP port of the three agents (default ${defaultPorts.agent}); N + 1 is nginx
  --web-port N   first port of the web instances (default ${defaultPorts.web})
  --dir DIR      where the nodes live (default .stellwerk in this folder)
  --no-nginx     route nothing through nginx even where it is installed
  --help
`;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

function refuse(message: string, code = 1): never {
  process.stderr.write(`npm start: ${message}\n`);
  process.exit(code);
}

function options() {
  try {
    return parseArgs({
      options: {
        check: { type: 'boolean', default: false },
        port: { type: 'string' },
        'web-port': { type: 'string' },
        dir: { type: 'string' },
        'no-nginx': { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values;
  } catch (error) {
    refuse(`${error instanceof Error ? error.message : String(error)}\n\n${help}`, 2);
  }
}

function portNumber(text: string | undefined, fallback: number, option: string): number {
  if (text === undefined) return fallback;
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1024 || port > 65_000)
    refuse(`${option} ${text}: a number from 1024 to 65000 is needed`, 2);
  return port;
}

const chosen = options();
if (chosen.help) {
  process.stdout.write(help);
  process.exit(0);
}

const uid = process.getuid?.() ?? 0;
const gid = process.getgid?.() ?? 0;
const userNamespaces = containerAddon()
  .probe()
  .find(({ feature }) => feature === 'userNamespaces');
if (userNamespaces !== undefined && !userNamespaces.available) {
  refuse(
    `this ${uid === 0 ? 'host' : 'user'} may not make user namespaces (${userNamespaces.detail}).\n` +
      'Set what applies, or run as root:\n' +
      '  sysctl -w kernel.unprivileged_userns_clone=1                # older Debian kernels\n' +
      '  sysctl -w kernel.apparmor_restrict_unprivileged_userns=0    # Ubuntu 24.04 and newer\n' +
      '  sysctl -w user.max_user_namespaces=10000                    # where it is 0',
  );
}

const nginxProgram = chosen['no-nginx'] ? null : findNginx();
const dir = resolve(chosen.dir ?? join(packageRoot(), '.stellwerk', ...(chosen.check ? [`check-${process.pid}`] : [])));
let ports: Ports;
if (chosen.check) {
  ports = await freePorts(process.pid);
} else {
  const agent = portNumber(chosen.port, defaultPorts.agent, '--port');
  ports = { agent, router: agent + 1, web: portNumber(chosen['web-port'], defaultPorts.web, '--web-port') };
}
const layoutOptions = { dir, ports, nginx: nginxProgram !== null, uid, gid };
const layout = planLayout(layoutOptions);

let cluster: RunningCluster | null = null;
let stopping: Promise<number> | null = null;

/** Ends everything and says what stayed behind; the number of things that did. */
function stopAll(): Promise<number> {
  stopping ??= (async () => {
    await cluster?.stop();
    const leftovers = findLeftovers(layout);
    for (const leftover of leftovers) process.stderr.write(`left behind: ${leftover}\n`);
    return leftovers.length;
  })();
  return stopping;
}

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (interrupted.signal.aborted) return;
    interrupted.abort();
    if (chosen.check) return;
    say('\nstopping …');
    void stopAll().then((left) => {
      say(left === 0 ? 'everything is gone' : 'not everything is gone');
      process.exit(left === 0 ? 0 : 1);
    });
  });
}

// Whatever goes wrong here, what was started is not left behind.
process.on('uncaughtException', (error) => {
  process.stderr.write(`npm start: ${error.stack ?? error.message}\n`);
  void stopAll().finally(() => process.exit(1));
});

try {
  if (!chosen.check) {
    say(
      `three nodes on 127.0.0.1, 127.0.0.2 and 127.0.0.3, ${uid === 0 ? 'as root' : `as an ordinary user (uid ${uid})`}`,
    );
    say(
      nginxProgram === null
        ? 'nginx: not used; the load goes to the web instances themselves'
        : `nginx: ${nginxProgram}`,
    );
  }
  endLeftovers(dir, say);
  const used = await portsInUse(ports);
  if (used.length > 0) {
    refuse(
      `in use: ${used.slice(0, 5).join(', ')}${used.length > 5 ? ' …' : ''}; choose others with --port and --web-port`,
    );
  }
  const problem = (line: string): void => void process.stderr.write(`${line}\n`);
  cluster = startCluster(layout, { ...layoutOptions, nginxProgram, say: chosen.check ? () => {} : say, problem });
} catch (error) {
  await stopAll();
  refuse(error instanceof Error ? error.message : String(error));
}

if (chosen.check) {
  const passed = await playStory(cluster, { stopAll, signal: interrupted.signal, say });
  if (passed) rmSync(dir, { recursive: true, force: true });
  else process.stderr.write(`the logs are in ${dir}/node*/log\n`);
  process.exit(passed ? 0 : 1);
}

say(`\n  http://127.0.0.1:${ports.agent}/#token=${layout.token}\n`);
say('The page shows the cluster and has the button that doubles the load. Ctrl-C stops everything.');
say(`Kill things:   kill -9 $(cat ${dir}/node1/agent.pid)     or tree.pid; they come back by themselves`);
