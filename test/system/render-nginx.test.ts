import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { skipped } from '../skipped.ts';
import { type RenderHost, renderHost } from '../verwalter/render-host.ts';

const path = '/usr/sbin:/usr/bin:/bin';
const has = (program: string, flag: string): boolean =>
  spawnSync(program, [flag], { env: { PATH: path } }).error === undefined;
const missing = skipped(
  has('nginx', '-v') && has('wrk', '-v'),
  'nginx reloaded under load',
  'nginx or wrk is missing (apt-get install nginx-light wrk)',
);
const reloads = 100;

let host: RenderHost;
beforeEach(() => {
  host = renderHost();
});
afterEach(() => host.remove());

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });

it.skipIf(missing)(
  'a hundred renders that reload nginx lose no request of those who come meanwhile',
  async () => {
    const port = await freePort();
    const prefix = join(host.root, 'nginx');
    for (const kind of ['client', 'proxy', 'fastcgi', 'uwsgi', 'scgi'])
      mkdirSync(join(prefix, 'temp', kind), { recursive: true });
    const program = ['nginx', '-q', '-p', `${prefix}/`, '-e', 'stderr'];
    const check = program.map((word) => JSON.stringify(word)).join(', ');
    const nginx = [...program, '-c', `${prefix}/nginx.conf`];
    host.put(
      'config/templates/t/conf.hbs',
      `daemon on; pid nginx.pid; worker_processes 2; error_log error.log;
events { worker_connections 512; }
http {
  access_log off;
  client_body_temp_path temp/client; proxy_temp_path temp/proxy; fastcgi_temp_path temp/fastcgi;
  uwsgi_temp_path temp/uwsgi; scgi_temp_path temp/scgi;
  server { listen 127.0.0.1:{{port}} backlog=1024; location / { return 200 "round {{round}}\\n"; } }
  {{extra}}
}
`,
    );
    host.commands(`commands:
- !Check [${check}, -t, -c, "{{ files.conf }}"]
- !Copy { dest: ${prefix}/nginx.conf }
- !Condition
  files_changed: [${prefix}/nginx.conf]
  commands:
  - !Sh "test -s ${prefix}/nginx.pid || exit 0; exec ${nginx.join(' ')} -s reload"
`);
    const errorOf = (status: Awaited<ReturnType<RenderHost['render']>>) => status.roles[0]?.error ?? null;
    expect(errorOf(await host.render({ port, round: 0, extra: '' }))).toBeNull();
    execFileSync(nginx[0] ?? '', nginx.slice(1), { env: { PATH: path }, stdio: ['ignore', 'ignore', 'pipe'] });
    const load = spawn('wrk', ['-t1', '-c4', '-d600s', '-H', 'Connection: close', `http://127.0.0.1:${port}/`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    load.stdout.on('data', (bytes: Buffer) => {
      said += bytes.toString();
    });
    const ended = new Promise((resolve) => load.once('close', resolve));
    try {
      const seen = async (): Promise<string> => (await fetch(`http://127.0.0.1:${port}/`)).text();
      for (let round = 1; round <= reloads; round++) {
        expect(errorOf(await host.render({ port, round, extra: '' }))).toBeNull();
        // In between, one that nginx refuses: it never comes into place, and nobody hears of it.
        if (round % 10 === 0) {
          expect(errorOf(await host.render({ port, round, extra: 'nonsense;' }))).toMatch(/!Check nginx: exit code 1/);
          await expect.poll(seen, { timeout: 20_000 }).toBe(`round ${round}\n`);
        }
      }
      expect(host.get('nginx/nginx.conf')).toContain(`round ${reloads}`);
      load.kill('SIGINT');
      await ended;
    } finally {
      load.kill('SIGKILL');
      execFileSync(nginx[0] ?? '', [...nginx.slice(1), '-s', 'stop'], { env: { PATH: path }, stdio: 'ignore' });
    }
    process.stdout.write(said);
    expect(Number(/(\d+) requests in/.exec(said)?.[1])).toBeGreaterThan(1000);
    expect(said).not.toMatch(/Socket errors|Non-2xx/);
  },
  300_000,
);
