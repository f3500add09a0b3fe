import { randomBytes } from 'node:crypto';
import { chmodSync, cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../../src/native/load.ts';
import type { Ports } from './ports.ts';

/** Everything that one node of the quickstart owns, below `.stellwerk/`. */
export interface NodeLayout {
  readonly name: string;
  readonly ip: string;
  readonly dir: string;
  readonly lithosMaster: string;
  readonly lithosRuntime: string;
  readonly cgroupName: string;
  readonly nginxDir: string;
  readonly ports: Ports;
}

export interface Layout {
  readonly dir: string;
  readonly configDir: string;
  readonly tokenFile: string;
  readonly keyFile: string;
  readonly token: string;
  readonly clusterName: string;
  readonly nodes: readonly NodeLayout[];
}

export interface LayoutOptions {
  readonly dir: string;
  readonly ports: Ports;
  readonly nginx: boolean;
  readonly uid: number;
  readonly gid: number;
}

/** The longest path that fits sockaddr_un, unix(7), with its closing NUL. */
const maxSocketPathBytes = 107;

const nodeNames = ['node1', 'node2', 'node3'] as const;

export function planLayout(options: LayoutOptions): Layout {
  const { dir, ports } = options;
  return {
    dir,
    configDir: join(dir, 'config'),
    tokenFile: join(dir, 'token'),
    keyFile: join(dir, 'cluster.key'),
    token: randomBytes(16).toString('hex'),
    clusterName: `quickstart-${ports.agent}`,
    nodes: nodeNames.map((name, index) => ({
      name,
      ip: `127.0.0.${index + 1}`,
      dir: join(dir, name),
      lithosMaster: join(dir, name, 'lithos', 'master.yaml'),
      lithosRuntime: join(dir, name, 'run'),
      cgroupName: `stellwerk-${ports.agent}-${name}.slice`,
      nginxDir: join(dir, name, 'nginx'),
      ports,
    })),
  };
}

/** Writes what the programs read. Runtime state of an earlier run stays: the trees look at it and clean up. */
export function writeLayout(layout: Layout, options: LayoutOptions): void {
  const longest = join(layout.nodes[0]?.lithosRuntime ?? '', 'tree.sock');
  if (Buffer.byteLength(longest) > maxSocketPathBytes) {
    throw new Error(`${longest} is too long for a unix socket (${maxSocketPathBytes} bytes); use a shorter --dir`);
  }
  const example = join(packageRoot(), 'examples', 'quickstart');
  mkdirSync(layout.dir, { recursive: true });
  writeSecret(layout.tokenFile, layout.token);
  writeSecret(layout.keyFile, randomBytes(32).toString('hex'));
  writeImage(join(layout.dir, 'images', 'app'), join(example, 'image'));

  rmSync(layout.configDir, { recursive: true, force: true });
  for (const part of ['scheduler', 'templates', 'runtime']) {
    cpSync(join(example, part), join(layout.configDir, part), { recursive: true });
  }
  writeFileSync(join(layout.configDir, 'runtime', 'quickstart', 'nodes.yaml'), nodesYaml(layout, options));
  for (const node of layout.nodes) writeNode(layout, node, options);
}

function writeSecret(file: string, text: string): void {
  writeFileSync(file, `${text}\n`, { mode: 0o600 });
  chmodSync(file, 0o600);
}

/** A root that holds nothing but mount points and the three services; python3 comes from the host's /usr. */
function writeImage(root: string, from: string): void {
  rmSync(root, { recursive: true, force: true });
  for (const folder of ['dev', 'etc', 'proc', 'run', 'sys', 'tmp', 'usr'])
    mkdirSync(join(root, folder), { recursive: true });
  for (const link of ['bin', 'lib', 'lib64', 'sbin']) symlinkSync(`usr/${link}`, join(root, link));
  cpSync(join(from, 'app'), join(root, 'app'), { recursive: true });
  cpSync(join(from, 'config'), join(root, 'config'), { recursive: true });
}

function writeNode(layout: Layout, node: NodeLayout, options: LayoutOptions): void {
  const lithos = join(node.dir, 'lithos');
  for (const folder of ['sandboxes', 'processes']) mkdirSync(join(lithos, folder), { recursive: true });
  for (const folder of ['run', 'log', 'verwalter', 'nginx']) mkdirSync(join(node.dir, folder), { recursive: true });
  writeFileSync(
    node.lithosMaster,
    `# Written by npm start.
runtime-dir: ${JSON.stringify(node.lithosRuntime)}
cgroup-name: ${node.cgroupName}
default-log-dir: ${JSON.stringify(join(node.dir, 'log'))}
stdio-log-dir: ${JSON.stringify(join(node.dir, 'log', 'stdio'))}
config-log-dir: ${JSON.stringify(join(node.dir, 'log', 'config'))}
`,
  );
  // Root maps the containers to ids that own nothing on the host; an ordinary user has only the own id to give.
  const map = (id: number): string =>
    options.uid === 0 ? '[{inside: 0, outside: 231000, count: 65536}]' : `[{inside: 1000, outside: ${id}, count: 1}]`;
  writeFileSync(
    join(lithos, 'sandboxes', 'quickstart.yaml'),
    `# Written by npm start. What the containers of this node may do at the most.
image-dir: ${JSON.stringify(join(layout.dir, 'images'))}
allow-users: [1000]
allow-groups: [1000]
default-user: 1000
default-group: 1000
uid-map: ${map(options.uid)}
gid-map: ${map(options.gid)}
readonly-paths: {/usr: /usr}
executable-paths: [/usr]
allow-tcp-ports: [1-65535]
`,
  );
  // Nothing runs before the cluster has decided.
  writeFileSync(join(lithos, 'processes', 'quickstart.yaml'), '{}\n');
}

/** Facts about the nodes for the scheduler and the templates. */
function nodesYaml(layout: Layout, options: LayoutOptions): string {
  const nodes = layout.nodes.map(
    (node) => `  ${node.name}:
    ip: ${node.ip}
    web_port: ${node.ports.web}
    router_port: ${node.ports.router}
    dir: ${JSON.stringify(node.nginxDir)}
    nginx: ${options.nginx}
    root: ${options.uid === 0}`,
  );
  return `# Written by npm start.\nnodes:\n${nodes.join('\n')}\n`;
}
