import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JsonObject } from '../src/verwalter/canonical.ts';
import { library } from '../src/verwalter/scheduler/library.ts';
import { luaTable } from './lua-table.ts';
import mainLua from './scheduler.lua';

/**
 * Median ms of processor time of `scheduler(input)` of bench/scheduler.lua under lua5.4, without a sandbox, the tables
 * ready in memory: over all inputs, or over so many rounds of them in turn. Nothing where lua5.4 is not installed.
 */
export async function nativeLua(
  inputs: AsyncIterable<JsonObject> | Iterable<JsonObject>,
  rounds?: number,
): Promise<{ peer?: string; peerValue?: number }> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-lua-'));
  try {
    let count = 0;
    for await (const input of inputs) writeFileSync(join(folder, `input${++count}.lua`), `return ${luaTable(input)}`);
    writeFileSync(join(folder, 'main.lua'), mainLua);
    writeFileSync(join(folder, 'library.lua'), `return ${luaTable(library)}`);
    writeFileSync(
      join(folder, 'bench.lua'),
      `local function plain(t) return t or {} end
      package.loaded.json = { array = plain, object = plain, null = {} }
      package.loaded.func = {}
      log = { info = print, warn = print, debug = print }
      for path, text in pairs(dofile 'library.lua') do
        package.preload[path:gsub('%.lua$', '')] = load(text, '@' .. path)
      end
      local main, times = dofile 'main.lua', {}
      for i = 1, ${rounds ?? count} do
        local input = dofile('input' .. (i - 1) % ${count} + 1 .. '.lua')
        collectgarbage()
        local from = os.clock()
        main.scheduler(input)
        times[i] = (os.clock() - from) * 1000
      end
      table.sort(times)
      print(times[#times // 2 + 1])`,
    );
    const out = execFileSync('lua5.4', ['bench.lua'], { cwd: folder, encoding: 'utf8' });
    return { peer: 'lua5.4, scheduler(input) alone', peerValue: Number(out.trim().split('\n').at(-1)) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
