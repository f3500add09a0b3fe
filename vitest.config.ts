import { defineConfig } from 'vitest/config';

// As esbuild's text loader: a Lua file is its text.
const luaText = {
  name: 'lua-text',
  transform: (code: string, id: string) => (id.endsWith('.lua') ? `export default ${JSON.stringify(code)}` : undefined),
};

// System tests start real containers and real daemons: one file at a time, or they would fight for two cores.
export default defineConfig({
  test: {
    projects: [
      {
        plugins: [luaText],
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/system/**', 'test/examples/**'],
          testTimeout: 90_000,
        },
      },
      {
        plugins: [luaText],
        test: {
          name: 'system',
          include: ['test/system/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 240_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'examples',
          include: ['test/examples/**/*.test.ts'],
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
