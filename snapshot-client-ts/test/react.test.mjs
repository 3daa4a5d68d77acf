// The hooks in React itself: rendered on a server, and by react-dom in a browser.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { createElement } from 'react';
import { renderToString } from 'react-dom/server';
import { readStore } from '../../tests/conformance/kit/store.mjs';
import { createLocalProvider } from '../dist/index.js';
import { createReferenceHooks } from '../dist/react.js';

const store = readStore();
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
const skip = existsSync(executablePath) ? false : `no ${executablePath}; name one by CHROMIUM`;

test('a server renders what is bundled', () => {
  const { version, bootstrap } = store.named('one');
  const { useReferenceTable, useReferenceRow, useReferenceStatus } = createReferenceHooks(
    createLocalProvider({ bundled: { version, bootstrap } }),
  );
  const Grips = () => {
    const labels = useReferenceTable('grips').map(({ label }) => label);
    return `${labels.join()} ${useReferenceRow('grips', 'G1').label} ${useReferenceStatus().ready}`;
  };
  assert.equal(renderToString(createElement(Grips)), 'Neutral,Pronated Pronated bundled');
});

test('a component renders again when its version changes, and only then', { skip }, async () => {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('react-page.mjs', import.meta.url))],
    bundle: true,
    format: 'iife',
    write: false,
    define: { 'process.env.NODE_ENV': '"development"' },
  });
  const browser = await chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
    timeout: 120_000,
  });
  try {
    const page = await browser.newPage();
    const files = {};
    for (const name of ['one', 'two']) {
      const { text, version, manifest } = store.named(name);
      const paths = Object.entries(manifest.tables).map(([key, { hash }]) => `tables/${key}/${hash}.json`);
      paths.push(`manifests/${version.manifest.hash}.json`, `bootstrap/${version.bootstrap.hash}.json`);
      for (const path of paths) files[path] = store.read(path).toString();
      files[name] = text;
    }
    await page.addScriptTag({ content: outputFiles[0].text });
    const seen = await page.evaluate((given) => globalThis.play(given), files);
    assert.deepEqual(seen, {
      empty: 'no rows',
      first: 'Neutral,Pronated',
      // Status went on; the component that reads rows did not render.
      rendersWhileNothingChanged: 0,
      second: 'Neutral,Pronated, edited',
      row: 'Pronated, edited',
      unknown: 'unknown_table: gripz; there are constructor,countries,grips,muscles,noRows',
      warnings: [],
    });
  } finally {
    await browser.close();
  }
});
