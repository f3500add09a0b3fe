import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startAgents, type TestAgents, token, until } from './agents.ts';
import { launch, noBrowser, openPage, pageTestMs, photograph } from './browser.ts';

const main = `return { scheduler = function(input)
  local count = #input.parents > 0 and input.parents[1].state.count or 2
  for _, action in pairs(input.actions) do count = action.count end
  print('count is ' .. count)
  return { schedule = { state = { count = count }, nodes = { alpha = { roles = { web = {
    template = 'web/v1', daemons = { main = { instances = count } } } } } },
    changes = { 'web: ' .. count .. ' instances wanted' } } }
end }`;

describe.skipIf(noBrowser('the pages of recorded rounds'))('pages of recorded rounds', { timeout: pageTestMs }, () => {
  let browser: Browser;
  let agents: TestAgents;
  let origin: string;
  let folder: string;

  const configWith = (text: string): string => {
    const tree = join(folder, 'config', 'scheduler', 'v1');
    mkdirSync(tree, { recursive: true });
    writeFileSync(join(tree, 'main.lua'), text);
    return join(folder, 'config');
  };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'time-travel-page-'));
    [browser, agents] = await Promise.all([launch(), startAgents(['alpha'], configWith(main))]);
    origin = agents.all[0]?.origin ?? '';
    await until('a round is recorded', async () => (await rounds()).length > 0, 60_000);
    const reply = await fetch(`${origin}/v1/wait_action`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ count: 5 }),
    });
    expect(reply.status).toBe(204);
    await until('the change is recorded', async () => (await rounds()).filter(({ changed }) => changed).length === 2);
  }, 120_000);

  afterAll(async () => {
    await browser?.close();
    await agents?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const rounds = async (): Promise<readonly { readonly id: number; readonly changed: boolean }[]> => {
    const answer = await agents.all[0]?.get('/v1/recordings');
    return (answer as { rounds: readonly { id: number; changed: boolean }[] }).rounds;
  };

  it('go back to a change, show what moved and why, and run the round again with another input', async () => {
    const changes = (await rounds()).filter(({ changed }) => changed);
    const watched = await openPage(browser, `${origin}/verwalter/time-travel?round=${changes[1]?.id}#token=${token}`);
    const { page } = watched;
    await page.getByText(/2 of them with a new schedule/).waitFor();
    await page.getByRole('button', { name: 'Change before' }).click();
    await page.waitForURL(`**/verwalter/time-travel?round=${changes[0]?.id}`);
    await page.getByRole('button', { name: 'Next change' }).click();
    await page.getByRole('row', { name: 'changed web / main alpha 2 → 5 web: 5 instances wanted' }).waitFor();
    expect(page.url()).not.toContain('token');
    await page.getByText('Debug log').click();
    await page.getByText('count is 5').waitFor();
    await page.getByText('Edit input and scheduler').click();
    const input = page.getByRole('textbox', { name: 'Input' });
    await input.fill((await input.inputValue()).replace('"count": 5', '"count": 9'));
    await page.getByRole('button', { name: 'Run again' }).click();
    await page.getByRole('row', { name: 'changed web / main alpha 5 → 9 web: 9 instances wanted' }).waitFor();
    await photograph(watched, 'time-travel');
    expect(watched.complaints).toEqual([]);
    await page.close();
  });

  it('try a scheduler of files over recorded rounds, and show where it fails and what would move', async () => {
    const watched = await openPage(browser, `${origin}/verwalter/dry-run#token=${token}`);
    const { page } = watched;
    const [file, other] = [join(folder, 'main.lua'), join(folder, 'sizes.lua')];
    writeFileSync(file, main.replace('instances = count', "instances = require('sizes').of(count)"));
    writeFileSync(other, "return { of = function(count) if count < 5 then error('too few') end return count * 2 end }");
    await page.getByLabel('or files').setInputFiles([file, other]);
    await page.getByText('beside main.lua: sizes.lua').waitFor();
    await page.getByRole('button', { name: 'Run over recorded rounds' }).click();
    await page.getByRole('row', { name: 'changed web / main alpha 5 → 10' }).waitFor();
    await page
      .getByText(/sizes\.lua:1: too few/)
      .first()
      .waitFor();
    await photograph(watched, 'dry-run');
    expect(watched.complaints).toEqual([]);
    await page.close();
  });
});
