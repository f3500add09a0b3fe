import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { hashJson, type JsonObject } from '../../src/verwalter/canonical.ts';
import { type Renderer, type RendererOptions, startRenderer } from '../../src/verwalter/render/renderer.ts';
import type { Schedule } from '../../src/verwalter/schedule.ts';

/** A node "h" with a config folder of its own, whose role "r" is rendered from templates/t. */
export interface RenderHost {
  readonly root: string;
  put(path: string, text: string, mode?: number): void;
  get(path: string): string;
  /** Writes templates/t/x.render.yaml. */
  commands(yaml: string, templates?: string): void;
  render(variables: JsonObject): Promise<ReturnType<Renderer['status']>>;
  renderer(): Renderer;
  remove(): Promise<void>;
}

export const renderHost = (options: Partial<RendererOptions> = {}): RenderHost => {
  const root = mkdtempSync(join(tmpdir(), 'verwalter-render-'));
  let renderer: Renderer | undefined;
  const host: RenderHost = {
    root,
    put(path, text, mode = 0o644) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
      chmodSync(join(root, path), mode);
    },
    get: (path) => readFileSync(join(root, path), 'utf8'),
    commands(yaml, templates = 'conf: conf.hbs') {
      host.put('config/templates/t/x.render.yaml', `templates: {${templates}}\n${yaml}`);
    },
    renderer() {
      renderer ??= startRenderer({
        hostname: 'h',
        version: '1.2.3',
        configDir: join(root, 'config'),
        storageDir: join(root, 'storage'),
        logDir: join(root, 'log'),
        lithosSwitch: ['/bin/false'],
        logKeep: { ms: 1e9, bytes: 1e9 },
        machine: () => ({}),
        onChange: () => {},
        ...options,
      });
      return renderer;
    },
    async render(variables) {
      const data = { nodes: { h: { roles: { r: { template: 't', ...variables } } } } };
      const schedule: Schedule = { timestamp: 1_800_000_000_000, hash: hashJson(data), origin: 'a'.repeat(32), data };
      const active = host.renderer();
      active.render(schedule);
      for (let tries = 0; tries < 2000; tries++) {
        const status = active.status();
        if (!status.running && status.renderedHash === schedule.hash) return status;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      throw new Error('the render did not end');
    },
    async remove() {
      await renderer?.stop();
      rmSync(root, { recursive: true, force: true });
    },
  };
  return host;
};
