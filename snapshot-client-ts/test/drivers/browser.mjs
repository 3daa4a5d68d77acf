// The driver in headless Chromium: `node browser.mjs indexeddb` or `localstorage`, for real.

import { once } from 'node:events';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';

const { outputFiles } = await build({
  entryPoints: [fileURLToPath(new URL('page.mjs', import.meta.url))],
  bundle: true,
  format: 'iife',
  write: false,
});

// A page of its own origin: what the kit serves is another site's.
const server = createServer((_, response) => {
  response.setHeader('content-type', 'text/html; charset=utf-8');
  response.end('<!doctype html><title>driver</title>');
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  // No sandbox for root, as whom containers run; nothing but our own page is shown.
  args: ['--no-sandbox', '--disable-dev-shm-usage'],
  timeout: 120_000,
});
const page = await browser.newPage();
page.on('pageerror', (error) => console.error(error.stack));
// The bare protocol of the browser, since there are many small messages.
const devtools = await page.context().newCDPSession(page);
await devtools.send('Runtime.enable');
await devtools.send('Runtime.addBinding', { name: 'send' });
devtools.on('Runtime.bindingCalled', ({ payload }) => void process.stdout.write(`${payload}\n`));
await page.goto(`http://127.0.0.1:${server.address().port}/`);
await page.addScriptTag({ content: outputFiles[0].text });
await page.evaluate((kind) => globalThis.begin(kind), process.argv[2] ?? 'indexeddb');

for await (const line of createInterface({ input: process.stdin })) {
  void devtools.send('Runtime.evaluate', { expression: `handle(${JSON.stringify(line)})` });
}
await browser.close();
server.close();
process.exit(0);
