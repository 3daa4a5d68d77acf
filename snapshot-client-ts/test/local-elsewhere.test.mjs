// The local side where apps run: in Chromium over a real SQLite, and in a Hermes VM, over what SQLite has answered.
// The same data and the same claims as in Node.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { transform } from '@swc/core';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import initSqlJs from 'sql.js';
import { createLocalProvider } from '../dist/index.js';
import { localJson, localSqlite, sqlJs } from '../dist/local.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
const noBrowser = existsSync(executablePath) ? false : `no ${executablePath}; name one by CHROMIUM`;
const FOLDERS = { linux: 'linux64-bin', darwin: 'osx-bin', win32: 'win64-bin' };
const noHermes = FOLDERS[process.platform] ? false : 'no Hermes for this platform';

const FILES = {
  grips: [
    { id: '\u{1F600}', sort_order: 1, _note: 'last by its bytes' },
    { id: '\uFF5E', sort_order: 1, names: ['é', { b: 1, a: 2 }] },
    { id: 'GONE', is_active: false },
    { id: 'B' },
  ],
  icons: { Z: '<svg z>', A: '<svg a>' },
};
const STATEMENTS = `
  CREATE TABLE grip_widths (id TEXT PRIMARY KEY, names JSON, price REAL, is_active INTEGER, sort_order INTEGER, icon BLOB);
  INSERT INTO grip_widths VALUES ('b', '["é"]', 1.5, 1, 2, x'00ff10'), ('\u{1F600}', NULL, 2, 1, 1, NULL),
    ('gone', NULL, 0, 0, 0, NULL), ('\uFF5E', '{"b":1,"a":2}', NULL, 1, 1, NULL);`;

/** What a local side gives, as text: of each table its key, its hash and its rows. */
async function told({ createLocalProvider }, bundled) {
  const provider = createLocalProvider({ bundled });
  const errors = [];
  provider.on('error', ({ message }) => errors.push(message));
  await provider.getBootstrap({ timeoutMs: 60_000 }).catch(() => {});
  const snapshot = provider.getSnapshot();
  const tables = snapshot?.tableKeys.map((key) => [key, snapshot.hash(key), snapshot.table(key)]);
  return JSON.stringify({ errors, tables });
}

const { Database } = await initSqlJs();

async function expected() {
  const database = new Database();
  database.run(STATEMENTS);
  const core = { createLocalProvider };
  const [files, sqlite] = [
    await told(core, localJson(FILES)),
    await told(core, localSqlite(sqlJs(database))),
  ];
  assert.deepEqual(
    JSON.parse(files).tables.map(([, , rows]) => rows.map(({ id }) => id)),
    [
      ['\uFF5E', '\u{1F600}', 'B'],
      ['A', 'Z'],
    ],
  );
  assert.deepEqual(
    JSON.parse(sqlite).tables.map(([key, , rows]) => [key, rows.map(({ id }) => id), rows[2].icon]),
    [['gripWidths', ['\uFF5E', '\u{1F600}', 'b'], 'AP8Q']],
  );
  const empty = await told(core, localSqlite(sqlJs(new Database())));
  assert.deepEqual(JSON.parse(empty), { errors: ['no_data: local: there are no tables'] });
  return [files, sqlite, empty];
}

test('the local side gives in Chromium what it gives in Node', {
  skip: noBrowser,
  timeout: 120_000,
}, async (t) => {
  const types = { js: 'text/javascript', wasm: 'application/wasm' };
  const server = createServer(({ url }, response) => {
    const file = join(ROOT, new URL(url, 'http://localhost').pathname);
    const type = types[file.split('.').pop()];
    if (type && existsSync(file)) response.setHeader('content-type', type).end(readFileSync(file));
    else
      response
        .setHeader('content-type', 'text/html; charset=utf-8')
        .end('<!doctype html><title>a page</title>');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const browser = await chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
    timeout: 120_000,
  });
  t.after(() => browser.close());
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  await page.addScriptTag({ url: '/node_modules/sql.js/dist/sql-wasm.js' });
  const given = await page.evaluate(
    async ([files, statements, source]) => {
      const core = await import('/dist/index.js');
      const { localJson, localSqlite, sqlJs } = await import('/dist/local.js');
      const told = new Function(`return ${source}`)();
      const { Database } = await globalThis.initSqlJs({
        locateFile: (file) => `/node_modules/sql.js/dist/${file}`,
      });
      const database = new Database();
      database.run(statements);
      return [
        await told(core, localJson(files)),
        await told(core, localSqlite(sqlJs(database))),
        await told(core, localSqlite(sqlJs(new Database()))),
      ];
    },
    [FILES, STATEMENTS, told.toString()],
  );
  assert.deepEqual(given, await expected());
});

test('the local side gives in a Hermes VM what it gives in Node', { skip: noHermes }, async (t) => {
  // The VM has no SQLite: it is given the answers of one, by the statements that are asked.
  const recorded = async (database) => {
    const answers = {};
    const getAllAsync = async (sql) => (answers[sql] = await sqlJs(database).getAllAsync(sql));
    await told({ createLocalProvider }, localSqlite({ getAllAsync }));
    return answers;
  };
  const filled = new Database();
  filled.run(STATEMENTS);
  const bytes = (_, value) => (value instanceof Uint8Array ? { bytes: [...value] } : value);
  const data = JSON.stringify([FILES, await recorded(filled), await recorded(new Database())], bytes);
  const ascii = (text) =>
    text.replace(/[\u007f-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
  const program = `
    import './dist/text-encoder.js';
    import * as core from './dist/index.js';
    import { localJson, localSqlite } from './dist/local.js';
    // The VM's own take numbers only, which React Native's do not; nothing here takes so long.
    globalThis.setTimeout = () => 1;
    globalThis.clearTimeout = () => {};
    globalThis.performance ??= { now: () => 0 };
    const told = ${told.toString()};
    const bytes = (_, value) => (value && value.bytes ? new Uint8Array(value.bytes) : value);
    const [files, filled, empty] = JSON.parse(${JSON.stringify(data)}, bytes);
    const sqlite = (answers) => ({ getAllAsync: async (sql) => answers[sql] });
    (async () => {
      const given = [
        await told(core, localJson(files)),
        await told(core, localSqlite(sqlite(filled))),
        await told(core, localSqlite(sqlite(empty))),
      ];
      print(encodeURIComponent(JSON.stringify(given)));
    })().catch((error) => print('failed: ' + error + error.stack));`;
  const { outputFiles } = await build({
    stdin: { contents: program, resolveDir: ROOT },
    bundle: true,
    format: 'iife',
    write: false,
  });
  const { code } = await transform(outputFiles[0].text, { jsc: { target: 'es5' } });
  const folder = mkdtempSync(join(tmpdir(), 'tablecast-hermes-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'local.js');
  writeFileSync(file, ascii(code));
  const hermes = join(ROOT, 'node_modules/hermes-engine-cli', FOLDERS[process.platform], 'hermes');
  const printed = execFileSync(hermes, ['-O', '-w', file], { encoding: 'utf8' });
  assert.doesNotMatch(printed, /^failed/);
  assert.deepEqual(JSON.parse(decodeURIComponent(printed.trim())), await expected());
});
