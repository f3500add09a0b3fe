import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/native/load.ts';
import { skipped } from '../skipped.ts';
import { missingForRootless, type Project, vaggaHost } from '../system/vagga/host.ts';

// Each project as README.md says, by an ordinary user, from nothing: `npm run test:examples`.

const missing = missingForRootless();
const noRootless = skipped(missing === null, 'examples of vagga', missing ?? '');
let host: Awaited<ReturnType<typeof vaggaHost>>;
beforeAll(async () => {
  if (!noRootless) host = await vaggaHost();
});
afterAll(() => host?.remove());

const tenMinutes = 600_000;
/** Where the way out has an authority of its own, this host trusts it. */
const bundle = '/etc/ssl/certs/ca-certificates.crt';
const settings = existsSync(bundle) ? `ca-certificates: ${bundle}` : '';

function example(name: string): Project {
  const folder = join(packageRoot(), 'examples/vagga', name);
  const files = Object.fromEntries(
    readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => [entry.name, readFileSync(join(folder, entry.name), 'utf8')]),
  );
  return host.project('user', files['vagga.yaml'] ?? '', files);
}

/** What it printed where it ended well. */
function run(project: Project, ...words: readonly string[]): string {
  const { status, stdout, stderr } = project.vagga(words, { timeoutMs: tenMinutes, env: { VAGGA_SETTINGS: settings } });
  expect(`${status}\n${status === 0 ? '' : stderr + stdout}`).toBe('0\n');
  return stdout + stderr;
}

describe.skipIf(noRootless)('the example', () => {
  it('Node with Redis counts visits', { timeout: tenMinutes }, () => {
    expect(run(example('node-redis'), 'test')).toMatch(/pass 1\n/);
  });

  it('Python with PostgreSQL keeps notes, in a database that is made once', { timeout: tenMinutes }, () => {
    const project = example('python-postgresql');
    expect(run(project, 'test')).toMatch(/CREATE TABLE[\s\S]*Ran 2 tests[\s\S]*OK/);
    expect(run(project, 'test')).not.toContain('CREATE TABLE');
  });

  it('documentation with Sphinx becomes pages', { timeout: tenMinutes }, () => {
    const project = example('docs-sphinx');
    run(project, 'html');
    expect(readFileSync(project.file('_build/html/usage.html'), 'utf8')).toContain('kettle');
  });

  it('C++ with CMake is compiled and tested', { timeout: tenMinutes }, () => {
    expect(run(example('cpp-cmake'), 'test')).toContain('100% tests passed');
  });

  it('a flaky network is cut and healed', { timeout: tenMinutes }, () => {
    expect(run(example('flaky-network'), 'test')).toMatch(/a alone: .*\n[\s\S]*all together again: /);
  });
});
