import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launch, noBrowser, results } from './browser.ts';
import { serve, type TestServer } from './server.ts';

const root = join(import.meta.dirname, '..', '..');
const built = join(results, 'web');
const token = 'test-token';

describe.skipIf(noBrowser('the page in a browser'))('the page in Chromium', () => {
  let browser: Browser;
  let server: TestServer;
  const complaints: string[] = [];

  beforeAll(async () => {
    browser = await launch();
    await build({ configFile: join(root, 'web', 'vite.config.ts'), logLevel: 'warn', build: { outDir: built } });
    server = await serve(built, token);
  }, 60_000);

  afterAll(async () => {
    await browser?.close();
    server?.close();
    rmSync(built, { recursive: true, force: true });
  });

  async function open(options: Parameters<Browser['newPage']>[0], fragment = `#token=${token}`): Promise<Page> {
    const page = await browser.newPage(options);
    complaints.length = 0;
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => {
      if (new URL(request.url()).host !== `127.0.0.1:${server.port}`)
        complaints.push(`left the host: ${request.url()}`);
    });
    await page.goto(`http://127.0.0.1:${server.port}/${fragment}`);
    await page.getByRole('status').getByText('live', { exact: true }).waitFor();
    return page;
  }

  it('shows nodes, leader, containers and schedule, asks no other host and logs no error', async () => {
    const page = await open({ viewport: { width: 1440, height: 1250 }, colorScheme: 'light' });
    const nodes = page.getByRole('table').filter({ hasText: 'Rendered' });
    expect(await nodes.locator('tbody').count()).toBe(3);
    expect(await nodes.getByText('leader, epoch 4').count()).toBe(1);
    expect(await page.locator('table.containers tbody tr:not(.group)').count()).toBe(16);
    expect(await page.locator('table.containers').textContent()).toMatch(/exit 1 \d s ago, starts in \d s/);
    expect(await page.locator('table.matrix').textContent()).toMatch(/worker2 \/ 2▲1 \/ 2 missing/);
    expect(page.url()).not.toContain('token');
    await page.getByText('1 thread', { exact: true }).click();
    expect(await page.locator('.threads table').textContent()).toMatch(/scanner0\.2 %0\.5 %/);
    await page.waitForTimeout(600);
    await page.screenshot({ path: join(results, 'web-light.png'), fullPage: true });
    expect(complaints).toEqual([]);
    await page.close();
  });

  it('filters by words and sorts by a column', async () => {
    const page = await open({ viewport: { width: 1280, height: 900 } });
    await page.getByRole('searchbox').fill('web node1');
    await page.getByRole('button', { name: 'Restarts' }).click();
    const rows = page.locator('table.containers tbody tr:not(.group)');
    expect(await rows.count()).toBe(4);
    expect(await rows.first().textContent()).toContain('last SIGKILL');
    await page.close();
  });

  it('doubles the load by keyboard and shows pending, then acknowledged', async () => {
    const page = await open({ viewport: { width: 1440, height: 1000 }, colorScheme: 'dark' });
    const button = page.getByRole('button', { name: 'Double the load' });
    // The menu comes first, and the link before it leads past it.
    await page.keyboard.press('Tab');
    expect(await page.getByRole('link', { name: 'Skip the menu' }).evaluate((link) => link.matches(':focus'))).toBe(
      true,
    );
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    expect(await button.evaluate((element) => element.matches(':focus'))).toBe(true);
    await page.keyboard.press('Enter');
    await page.getByText('waiting for the scheduler’s next round').waitFor();
    await page.getByText(/acknowledged after/).waitFor();
    expect(server.actions).toEqual([{ button: { role: 'load', action: 'double' } }]);
    expect(await button.evaluate((element) => element.matches(':focus'))).toBe(true);
    await page.getByText('load × 2').waitFor();
    await page.locator('.canvas').first().hover();
    await page.waitForTimeout(600);
    await page.screenshot({ path: join(results, 'web-dark.png'), fullPage: true });
    expect(complaints).toEqual([]);
    await page.close();
  });

  it('disables the buttons without a token and says why', async () => {
    const page = await open({ viewport: { width: 1280, height: 900 } }, '');
    expect(await page.getByRole('button', { name: 'Double the load' }).isDisabled()).toBe(true);
    await page.getByText('Only showing').waitFor();
    await page.close();
  });

  it('says that a wrong token was refused', async () => {
    const page = await open({ viewport: { width: 1280, height: 900 } }, '#token=wrong');
    await page.getByRole('button', { name: 'Double the load' }).click();
    await page.getByText('the token was refused (wrong token)').waitFor();
    await page.close();
  });

  it('fits a phone without scrolling sideways', async () => {
    const page = await open({ viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 });
    await page.waitForTimeout(600);
    const overflow = await page.locator('html').evaluate((html) => html.scrollWidth - html.clientWidth);
    await page.screenshot({ path: join(results, 'web-phone.png'), fullPage: true });
    expect(overflow).toBe(0);
    await page.close();
  });

  it('keeps the last figures while its agent is away and goes on when it is back', async () => {
    const page = await open({ viewport: { width: 1280, height: 900 } });
    server.down();
    await page.getByText('reconnecting').waitFor();
    await page
      .getByText(/not reachable.*next try in|asking 127/)
      .first()
      .waitFor();
    expect(await page.locator('table.containers tbody tr:not(.group)').count()).toBeGreaterThan(0);
    await page.waitForTimeout(1500);
    await page.screenshot({ path: join(results, 'web-reconnecting.png') });
    server.up();
    await page.getByRole('status').getByText('live', { exact: true }).waitFor({ timeout: 10_000 });
    await page.close();
  });

  it('weighs less than 60 KiB compressed when it is opened first, with every file compressed beside itself', async () => {
    const files = readdirSync(built, { recursive: true, encoding: 'utf8' }).map((name) => join(built, name));
    const plain = files.filter((path) => /\.(js|css|html|svg)$/.test(path));
    expect(plain.length).toBeGreaterThanOrEqual(4);
    expect(plain.filter((path) => !existsSync(`${path}.br`) || !existsSync(`${path}.gz`))).toEqual([]);
    // What a browser with an empty cache asks for until the plots are drawn; pages of cantal come when they are opened.
    const loaded = new Set(['/index.html']);
    const page = await browser.newPage();
    page.on('request', (request) => loaded.add(new URL(request.url()).pathname));
    await page.goto(`http://127.0.0.1:${server.port}/`);
    await page.locator('.u-wrap').nth(1).waitFor();
    await page.close();
    const own = [...loaded].filter((path) => existsSync(`${join(built, path)}.gz`));
    expect(own.filter((path) => path.endsWith('.js')).length).toBeGreaterThanOrEqual(3);
    const bytes = own.reduce((total, path) => total + statSync(`${join(built, path)}.gz`).size, 0);
    process.stdout.write(`the page weighs ${(bytes / 1024).toFixed(1)} KiB with gzip\n`);
    expect(bytes).toBeLessThan(60 * 1024);
  });
});
