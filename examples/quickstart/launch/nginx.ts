import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NodeLayout } from './layout.ts';

/** nginx stands in /usr/sbin, which an ordinary user's PATH may lack. */
export function findNginx(): string | null {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/usr/local/sbin'];
  for (const folder of folders) {
    const program = join(folder, 'nginx');
    if (folder !== '' && existsSync(program) && spawnSync(program, ['-v'], { stdio: 'ignore' }).status === 0)
      return program;
  }
  return null;
}

/** A router that knows no instance yet: verwalter's first render replaces it. */
export function writeFirstConfig(node: NodeLayout, asRoot: boolean): void {
  for (const folder of ['client', 'proxy', 'fastcgi', 'uwsgi', 'scgi']) {
    mkdirSync(join(node.nginxDir, 'temp', folder), { recursive: true });
  }
  const temp = (kind: string): string => JSON.stringify(join(node.nginxDir, 'temp', kind));
  writeFileSync(
    join(node.nginxDir, 'nginx.conf'),
    `${asRoot ? 'user root;\n' : ''}daemon off;
worker_processes 1;
pid ${JSON.stringify(join(node.nginxDir, 'nginx.pid'))};
error_log ${JSON.stringify(join(node.nginxDir, 'error.log'))} warn;
events { worker_connections 512; }
http {
  access_log off;
  client_body_temp_path ${temp('client')};
  proxy_temp_path ${temp('proxy')};
  fastcgi_temp_path ${temp('fastcgi')};
  uwsgi_temp_path ${temp('uwsgi')};
  scgi_temp_path ${temp('scgi')};
  server {
    listen ${node.ip}:${node.ports.router};
    location / { return 503; }
  }
}
`,
  );
}
