import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { expect } from 'vitest';
import { skipped } from '../skipped.ts';

const root = join(import.meta.dirname, '..', '..');
/** Screenshots of each run; git does not see it. */
export const results = join(root, 'test-results');
/** What the agent serves: `node scripts/build.mjs` made it. */
export const builtUi = join(root, 'dist', 'web');

const program = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);

export const noBrowser = (what: string): boolean =>
  skipped(program !== undefined, what, 'Chromium is missing (apt-get install chromium)');

export function launch(): Promise<Browser> {
  mkdirSync(results, { recursive: true });
  return chromium.launch({
    ...(program ? { executablePath: program } : {}),
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--no-first-run',
      '--disable-sync',
      '--disable-component-update',
    ],
  });
}

/** A busy machine is no failure. */
export const patienceMs = 40_000;
/** Of a test that opens some pages. */
export const pageTestMs = 120_000;

export interface Watched {
  readonly page: Page;
  /** Errors and warnings of the console, and requests to any other host. */
  readonly complaints: readonly string[];
  /** Paths asked for over HTTP, in order. */
  readonly asked: readonly string[];
  /** Messages that came over WebSockets. */
  readonly messages: readonly Record<string, unknown>[];
}

export async function openPage(browser: Browser, url: string, options: { height?: number } = {}): Promise<Watched> {
  const page = await browser.newPage({
    viewport: { width: 1440, height: options.height ?? 1000 },
    colorScheme: 'light',
  });
  // Shorter than the test's own time, so that it is told what was waited for.
  page.setDefaultTimeout(patienceMs);
  const { host } = new URL(url);
  const [complaints, asked, messages]: [string[], string[], Record<string, unknown>[]] = [[], [], []];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    const to = new URL(request.url());
    if (to.host === host) asked.push(to.pathname);
    else complaints.push(`left the host: ${request.url()}`);
  });
  page.on('websocket', (socket) => {
    if (new URL(socket.url()).host !== host) complaints.push(`left the host: ${socket.url()}`);
    socket.on('framereceived', ({ payload }) => messages.push(JSON.parse(String(payload))));
  });
  await page.goto(url);
  return { page, complaints, asked, messages };
}

/** What a browser with an empty cache has loaded, with gzip, bytes. */
export const weightOf = ({ asked }: Watched): number =>
  [...new Set(asked.map((path) => (path.startsWith('/assets/') ? path : null)))]
    .filter((path) => path !== null)
    .concat('/index.html')
    .reduce((sum, path) => sum + statSync(`${join(builtUi, path)}.gz`).size, 0);

/** In light, dark and on a phone; nothing may stand out to the side. */
export async function photograph({ page }: Watched, name: string): Promise<void> {
  const shot = (look: string) => page.screenshot({ path: join(results, `cantal-${name}-${look}.png`), fullPage: true });
  const painted = () =>
    page.evaluate('new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))');
  const beyond = () => page.locator('html').evaluate((html) => html.scrollWidth - html.clientWidth);
  await painted();
  await shot('light');
  expect(await beyond(), `${name} is wider than its window`).toBe(0);
  await page.emulateMedia({ colorScheme: 'dark' });
  // Plots take their colours anew.
  await painted();
  await shot('dark');
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize({ width: 375, height: 800 });
  await painted();
  const beyondPhone = await beyond();
  await shot('phone');
  expect(beyondPhone, `${name} is wider than a phone`).toBe(0);
  await page.setViewportSize({ width: 1440, height: 1000 });
}

interface Focused {
  readonly name: string;
  readonly inside: boolean;
  readonly visible: boolean;
}

/** Runs in the page: what has the focus, as a screen reader names it. */
const focused = `(() => {
  const element = document.activeElement;
  const box = element.getBoundingClientRect();
  const name = element.getAttribute('aria-label') ?? element.labels?.[0]?.textContent ?? (element.textContent || element.title);
  return { name: name.trim(), inside: document.getElementById('content').contains(element), visible: box.width > 0 && box.height > 0 };
})()`;

/** The skip link first, then whatever of the page can be operated; their names. */
export async function walkByKeyboard({ page }: Watched, steps: number): Promise<readonly string[]> {
  // From the start of the document, wherever somebody clicked before.
  await page.evaluate(
    "const start = document.createElement('span'); start.tabIndex = -1; document.body.prepend(start); start.focus(); start.remove()",
  );
  await page.keyboard.press('Tab');
  const skip = page.getByRole('link', { name: 'Skip the menu' });
  expect(await skip.evaluate((element) => element.matches(':focus'))).toBe(true);
  await page.keyboard.press('Enter');
  const names: string[] = [];
  for (let step = 0; step < steps; step += 1) {
    await page.keyboard.press('Tab');
    const { name, inside, visible } = await page.evaluate<Focused>(focused);
    if (!inside) break;
    expect(visible, `${name} has the focus and can be seen`).toBe(true);
    expect(name, 'what has the focus has a name').not.toBe('');
    names.push(name);
  }
  return names;
}
