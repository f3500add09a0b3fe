import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startAlone, type TestAgent } from './agents.ts';
import { launch, noBrowser, openPage, pageTestMs, photograph } from './browser.ts';

describe.skipIf(noBrowser('the pages of an agent in no cluster'))(
  'pages of cantal-agent without a cluster',
  { timeout: pageTestMs },
  () => {
    let browser: Browser;
    let agent: TestAgent;

    beforeAll(async () => {
      [browser, agent] = await Promise.all([launch(), startAlone()]);
    }, 60_000);

    afterAll(async () => {
      await browser?.close();
      await agent?.kill();
    });

    it('begin with the host, have no entry for the cluster page, and ask for nothing that is not there', async () => {
      const watched = await openPage(browser, `${agent.origin}/`);
      const { page } = watched;
      await page.waitForURL(`${agent.origin}/local/status`);
      await page.getByText('MemTotal').waitFor();
      expect(await page.title()).toBe('Status · Stellwerk');
      expect(await page.getByRole('navigation').getByRole('link', { name: 'Cluster' }).count()).toBe(0);
      expect(await page.locator('.facts').textContent()).toContain('clusterstandalone');
      await page.getByRole('link', { name: 'Stellwerk', exact: true }).click();
      await page.waitForURL(`${agent.origin}/local/status`);
      expect(watched.asked.filter((path) => /overview|plots|peer|remote/.test(path))).toEqual([]);
      expect(watched.complaints).toEqual([]);
      await page.close();
    });

    it('say what their user may not read, and what it would need', async () => {
      const { unreadable } = (await agent.get('/status')) as { unreadable: { processes: number; needs: string }[] };
      const watched = await openPage(browser, `${agent.origin}/local/status`);
      await watched.page.getByText('MemTotal').waitFor();
      const line = watched.page.getByText(
        /^Not all can be read: io, environ .*\(\d+ of \d+ processes; it needs CAP_SYS/,
      );
      // This very test is a process of another user, where the agent could become one.
      if (process.getuid?.() === 0) expect(unreadable).toHaveLength(1);
      expect(await line.count()).toBe(unreadable.length);
      await photograph(watched, 'alone');
      expect(watched.complaints).toEqual([]);
      await watched.page.close();
    });

    it.each([
      ['/remote/grid', 'Hosts'],
      ['/remote/containers', 'Containers'],
      ['/remote/list', 'Connections'],
      ['/remote/enable', 'Enable'],
      ['/local/peers', 'Peers'],
    ])('%s says that there is no cluster, and asks nobody', async (path, title) => {
      const watched = await openPage(browser, agent.origin + path);
      const { page } = watched;
      await page.getByRole('heading', { name: title, exact: true }).waitFor();
      await page.getByRole('heading', { name: 'This agent is in no cluster' }).waitFor();
      expect(watched.asked.filter((each) => each !== path && /query|peer|remote_stats/.test(each))).toEqual([]);
      expect(watched.complaints).toEqual([]);
      if (path === '/remote/grid') await photograph(watched, 'no-cluster');
      await page.close();
    });
  },
);
