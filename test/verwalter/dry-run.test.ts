import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { asRoot } from '../../src/verwalter/render/as-root.ts';
import { type RenderHost, renderHost } from './render-host.ts';

let host: RenderHost | null = null;
afterEach(() => host?.remove());

describe('a daemon with --dry-run', () => {
  it('logs what a role would write and run, and does nothing of it', async () => {
    host = renderHost({ dryRun: true });
    host.put('config/templates/t/conf.hbs', 'value is {{value}}\n');
    host.commands(`commands:
- !Copy { src: "{{ files.conf }}", dest: "${host.root}/out.conf" }
- !Cmd [touch, "${host.root}/ran"]
`);
    const status = await host.render({ value: 7 });
    expect(status.roles).toMatchObject([{ role: 'r', state: 'rendered', error: null }]);
    const log = host.renderer().log('r').join('\n');
    for (const line of ['value is 7', `!Copy (conf) ${host.root}/out.conf`, `!Cmd touch ${host.root}/ran`])
      expect(log).toContain(line);
    expect(existsSync(join(host.root, 'out.conf'))).toBe(false);
    expect(existsSync(join(host.root, 'ran'))).toBe(false);
    // A daemon that does it in earnest must not believe that it was done.
    expect(existsSync(join(host.root, 'storage', 'render', 'roles.json'))).toBe(false);
  });

  it('finds a mistake of a template as any other, and says each schedule once', async () => {
    host = renderHost({ dryRun: true });
    host.put('config/templates/t/conf.hbs', '{{missing}}\n');
    host.commands('commands: []\n');
    const first = await host.render({});
    expect(first.roles).toMatchObject([
      { state: 'failed', error: 'conf.hbs: "missing" not defined in the variables - 1:2' },
    ]);
    await host.render({ missing: 'there' });
    host.renderer().recheck();
    await host.render({ missing: 'there' });
    const said = host
      .renderer()
      .log('r')
      .filter((line) => line.includes('dry run'));
    expect(said).toHaveLength(1);
  });
});

describe('--use-sudo', () => {
  const own = ['nginx', '-s', 'reload'] as const;

  it('starts a program by its path through sudo, as the user that the sandbox names, else as root', () => {
    expect(asRoot(own, '/usr/sbin/nginx', true, null, 1000)).toEqual([
      ...['/usr/bin/sudo', '-n', '/usr/sbin/nginx', '-s', 'reload'],
    ]);
    expect(asRoot(own, '/usr/sbin/nginx', true, 'www', 1000)).toEqual([
      ...['/usr/bin/sudo', '-n', '-u', 'www', '/usr/sbin/nginx', '-s', 'reload'],
    ]);
  });

  it('changes nothing where it is not wanted, or where we are root already', () => {
    expect(asRoot(own, '/usr/sbin/nginx', false, null, 1000)).toBe(own);
    expect(asRoot(own, '/usr/sbin/nginx', true, null, 0)).toBe(own);
  });
});
