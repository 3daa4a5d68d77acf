// The whole way: json-source/ through `publisher run` into a snapshot, served by snapshot-server and by nginx,
// read by this client with the flag off, on, and without network.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import zlib from 'node:zlib';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import initSqlJs from 'sql.js';
import { createReferenceProvider, createRemoteProvider } from '../dist/index.js';
import { localBundle, localJson, localSqlite, sqlJs } from '../dist/local.js';
import { fileStorage } from '../dist/node.js';
import { PATIENT } from './patient.mjs';
import { ANSWERS, ask, SOURCE_OPTIONS } from './service-answers.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const BUILT = join(process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target'), 'debug');
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
const noBrowser = existsSync(executablePath) ? false : `no ${executablePath}; name one by CHROMIUM`;
const skip = existsSync(join(BUILT, 'publisher')) ? false : 'publisher is not built; `./dev test` builds it';

/** Ends what a test has started. */
const ends = [];

describe('published, served, read', { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'tablecast-end-to-end-'));
  const snapshots = join(folder, 'snapshots');
  // nginx's workers and the private PostgreSQL are other users.
  chmodSync(folder, 0o755);
  // A PostgreSQL of its own, in this folder.
  const { DATABASE_URL: _, ...env } = process.env;
  let baseUrl;
  let bundled;

  before(async () => {
    cpSync(join(ROOT, 'json-source'), join(folder, 'json-source'), { recursive: true });
    cpSync(join(ROOT, 'tablecast.toml'), join(folder, 'tablecast.toml'));
    publish();
    bundled = readBundled();
    baseUrl = await serve();
  });
  after(async () => {
    for (const end of ends.reverse()) await end();
    rmSync(folder, { recursive: true, force: true });
  });

  function publish() {
    const arguments_ = [
      'run',
      '--source',
      'json-source',
      '--sql',
      join(ROOT, 'sql/migrations'),
      '--out',
      snapshots,
    ];
    execFileSync(join(BUILT, 'publisher'), arguments_, { cwd: folder, env, stdio: 'pipe' });
  }

  function readBundled() {
    const read = (path) => JSON.parse(readFileSync(join(snapshots, path), 'utf8'));
    const version = read('version.json');
    return { version, bootstrap: read(`bootstrap/${version.bootstrap.hash}.json`) };
  }

  /** Each way in which an app has its data without a server. */
  async function localSides() {
    const files = readdirSync(join(folder, 'json-source'))
      .filter((name) => name.endsWith('.json'))
      .map((name) => [name, JSON.parse(readFileSync(join(folder, 'json-source', name), 'utf8'))]);
    const path = join(folder, 'reference.db');
    const reference = join(folder, 'reference');
    const bundle = ['bundle', reference, '--sqlite', path, '--out', snapshots];
    execFileSync(join(BUILT, 'publisher'), bundle, { cwd: folder, env, stdio: 'pipe' });
    const { Database } = await initSqlJs();
    const shipped = (name) => JSON.parse(readFileSync(join(reference, `${name}.json`), 'utf8'));
    return {
      'two published files': bundled,
      'a folder of bundled files': localBundle({
        version: shipped('version'),
        manifest: shipped('manifest'),
        bootstrap: shipped('bootstrap'),
      }),
      'the files that people edit': localJson(Object.fromEntries(files), SOURCE_OPTIONS),
      'a bundle of SQLite': localSqlite(sqlJs(new Database(readFileSync(path)))),
    };
  }

  async function serve(root = snapshots) {
    const server = spawn(join(BUILT, 'snapshot-server'), ['--root', root, '--listen', '127.0.0.1:0'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    ends.push(() => endOf(server));
    return new Promise((resolve, reject) => {
      let said = '';
      server.on('exit', () => reject(new Error(said)));
      server.stderr.on('data', (data) => {
        said += data;
        const place = /http:\/\/127\.0\.0\.1:\d+/.exec(said);
        if (place) resolve(place[0]);
      });
    });
  }

  function edit() {
    const path = join(folder, 'json-source/stanceWidths.json');
    const rows = JSON.parse(readFileSync(path, 'utf8'));
    rows[0].label = `${rows[0].label}, edited`;
    writeFileSync(path, JSON.stringify(rows, null, 2));
  }

  /** The rows that people edit, by id; of icons a map from id to value. */
  function sourceRows(key) {
    const source = JSON.parse(readFileSync(join(folder, 'json-source', `${key}.json`), 'utf8'));
    const rows = Array.isArray(source)
      ? source
      : Object.entries(source).map(([id, value]) => ({ id, value }));
    return new Map(rows.filter((row) => row.is_active !== false).map((row) => [row.id, row]));
  }

  /** Every row of the source, and of each row every column that apps see. */
  function assertSameRows(key, rows, source) {
    assert.deepEqual(new Set(rows.map(({ id }) => id)), new Set(source.keys()), key);
    for (const row of rows) {
      const written = source.get(row.id);
      const columns = Object.keys(written).filter((column) => column in row);
      assert.ok(columns.length > 1, key);
      for (const column of columns)
        assert.deepEqual(row[column], written[column], `${key} ${row.id} ${column}`);
    }
  }

  const tablesOf = (snapshot) =>
    Object.fromEntries(snapshot.tableKeys.map((key) => [key, snapshot.table(key)]));

  test('flag off and flag on give equal data for every table, also without network', async () => {
    const flag = { value: false };
    const storage = fileStorage(join(folder, 'cache'));
    const create = (enabled, url) => {
      const provider = createReferenceProvider({
        ...PATIENT,
        baseUrl: url,
        bundled,
        storage,
        enabled: () => enabled,
      });
      ends.push(() => provider.dispose());
      return provider;
    };
    const off = await create(flag.value, 'http://127.0.0.1:1').getBootstrap();
    assert.equal(off.source, 'bundled');
    assert.equal(off.tableKeys.length, 23);
    for (const key of off.tableKeys) assertSameRows(key, off.table(key), sourceRows(key));
    // Nothing bundled, so that all of it is fetched.
    const on = createRemoteProvider({ ...PATIENT, baseUrl, storage, namespace: 'parity' });
    assert.equal(await on.waitForReady(), 'up-to-date');
    assert.deepEqual(tablesOf(on.getSnapshot()), tablesOf(off));
    on.dispose();
    const offline = createRemoteProvider({
      ...PATIENT,
      baseUrl: 'http://127.0.0.1:1',
      storage,
      namespace: 'parity',
    });
    ends.push(() => offline.dispose());
    const cached = await offline.getBootstrap({ allowStaleCache: true });
    assert.equal(cached.source, 'cache');
    assert.deepEqual(tablesOf(cached), tablesOf(off));
  });

  test('the app’s own files, a bundle of SQLite and the server give equal rows for every table', async () => {
    const remote = createRemoteProvider({ ...PATIENT, baseUrl, polling: 'manual' });
    ends.push(() => remote.dispose());
    assert.equal((await remote.refresh()).status, 'updated');
    const on = remote.getSnapshot();
    assert.equal(on.tableKeys.length, 23);
    for (const [name, local] of Object.entries(await localSides())) {
      const provider = createReferenceProvider({
        ...PATIENT,
        baseUrl: 'http://127.0.0.1:1',
        bundled: local,
        enabled: false,
      });
      ends.push(() => provider.dispose());
      const off = await provider.getBootstrap();
      assert.deepStrictEqual(off.tables, on.tables, name);
      // To the byte: what an app has by this need not be fetched.
      for (const key of on.tableKeys) assert.equal(off.hash(key), on.hash(key), `${name}, ${key}`);
    }
  });

  test('the example service answers with the flag off, by each local side, on, and on without network', async () => {
    const path = join(ROOT, 'snapshot-client-ts/examples/exercise-config-service.ts');
    const { createExerciseConfigService } = await importTypeScript(path);
    const answers = async (config, ready) => {
      const provider = createReferenceProvider({ ...PATIENT, baseUrl, ...config });
      assert.equal(await provider.waitForReady(), ready);
      const service = createExerciseConfigService(provider);
      const given = await ask(service);
      // A function that gives nothing would be seen.
      for (const call of Object.keys(service))
        for (const nothing of [[], undefined]) {
          const emptied = { ...service, [call]: async () => nothing };
          await assert.rejects(async () => assert.deepStrictEqual(await ask(emptied), ANSWERS), call);
        }
      provider.dispose();
      return given;
    };
    for (const [name, local] of Object.entries(await localSides()))
      assert.deepStrictEqual(await answers({ bundled: local, enabled: false }, 'bundled'), ANSWERS, name);
    // Nothing is bundled here, so that all of it comes from the server, and then from the cache.
    const remote = { enabled: true, storage: fileStorage(join(folder, 'service')), namespace: 'service' };
    assert.deepStrictEqual(await answers(remote, 'up-to-date'), ANSWERS);
    assert.deepStrictEqual(await answers({ ...remote, baseUrl: 'http://127.0.0.1:1' }, 'cached'), ANSWERS);
  });

  test('the generated types are those of the published tables', async () => {
    const arguments_ = ['types', '--sql', join(ROOT, 'sql/migrations')];
    const printed = execFileSync(join(BUILT, 'publisher'), arguments_, {
      cwd: folder,
      env,
      encoding: 'utf8',
    });
    const path = join(ROOT, 'snapshot-client-ts/examples/reference.ts');
    if (process.env.TABLECAST_BLESS) writeFileSync(path, printed);
    assert.equal(readFileSync(path, 'utf8'), printed);
    const { SCHEMA_FINGERPRINTS } = await importTypeScript(path);
    const provider = createRemoteProvider({ ...PATIENT, baseUrl, polling: 'manual' });
    ends.push(() => provider.dispose());
    await provider.refresh();
    const snapshot = provider.getSnapshot();
    const published = snapshot.tableKeys.map((key) => [key, snapshot.schemaFingerprint(key)]);
    assert.deepEqual(SCHEMA_FINGERPRINTS, Object.fromEntries(published));
  });

  test('an idle poll is one request of at most 1 KiB; one edited row moves at most 4 kB', async (t) => {
    const traffic = [];
    const provider = createRemoteProvider({
      ...PATIENT,
      baseUrl,
      polling: 'manual',
      transport: measured(traffic),
    });
    ends.push(() => provider.dispose());
    await provider.refresh();
    t.diagnostic(`first start: ${sum(traffic)} bytes of bodies in ${traffic.length} requests`);
    traffic.length = 0;
    assert.equal((await provider.refresh()).status, 'not-modified');
    t.diagnostic(`idle poll: ${sum(traffic)} bytes in ${traffic.length} request`);
    assert.deepEqual([traffic.length, sum(traffic) <= 1024], [1, true]);
    edit();
    publish();
    traffic.length = 0;
    await until(async () => (await provider.refresh()).status === 'updated', traffic);
    t.diagnostic(`one edited row: ${listed(traffic)}`);
    assert.equal(traffic.length, 3);
    assert.ok(sum(traffic) <= 4000, listed(traffic));
    assert.match(provider.getSnapshot().table('stanceWidths')[0].label, /, edited$/);
  });

  test('the same behind nginx', async (t) => {
    const url = await serveByNginx(folder, snapshots);
    const provider = createRemoteProvider({ ...PATIENT, baseUrl: url, polling: 'manual' });
    ends.push(() => provider.dispose());
    assert.equal((await provider.refresh()).status, 'updated');
    const newest = readBundled();
    assert.deepEqual(tablesOf(provider.getSnapshot()), newest.bootstrap.tables);
    const traffic = [];
    const follower = createRemoteProvider({
      ...PATIENT,
      baseUrl: url,
      bundled,
      polling: 'manual',
      transport: measured(traffic),
    });
    ends.push(() => follower.dispose());
    assert.deepEqual((await follower.refresh()).changedTables, ['stanceWidths']);
    t.diagnostic(`one edited row: ${listed(traffic)}`);
    // This nginx knows no coding but gzip, which makes more of a manifest's hashes than brotli does.
    assert.ok(sum(traffic) <= 4300, listed(traffic));
  });

  test('a page of another site shows an edit when it is published', {
    skip: noBrowser,
    timeout: 120_000,
  }, async () => {
    const page = await openPage();
    await page.goto(`${await servePages()}/examples/live.html?table=stanceWidths&base=${baseUrl}`);
    const first = page.locator('#rows li').first();
    await first.waitFor();
    const before = await first.textContent();
    edit();
    publish();
    // The next poll is five minutes away.
    await page.getByText(`${before}, edited`).waitFor({ timeout: 60_000 });
  });

  test('a page of another site may read what the client reads', {
    skip: noBrowser,
    timeout: 120_000,
  }, async () => {
    const empty = join(folder, 'empty');
    mkdirSync(empty);
    const page = await openPage();
    await page.goto(await servePages());
    const readable = (url, names) =>
      page.evaluate(
        async ([url, names]) => {
          const { status, headers } = await fetch(url);
          return [status, names.filter((name) => headers.get(name) === null)];
        },
        [url, names],
      );
    assert.deepEqual(await readable(`${baseUrl}/version.json`, ['date', 'etag', 'content-length']), [
      200,
      [],
    ]);
    const unready = `${await serve(empty)}/version.json`;
    assert.deepEqual(await readable(unready, ['date', 'retry-after']), [503, []]);
  });

  test('XMLHttpRequest brings what fetch brings, and stops at the limit', {
    skip: noBrowser,
    timeout: 120_000,
  }, async () => {
    const page = await openPage();
    await page.goto(await servePages());
    const get = (url, limitBytes) =>
      page.evaluate(
        async ([url, limitBytes]) => {
          const { xhrTransport } = await import('/dist/xhr.js');
          const { signal } = new AbortController();
          const { status, body, date } = await xhrTransport()(url, limitBytes, signal);
          return { status, body: typeof body === 'string' ? body : body.length, dated: date !== null };
        },
        [url, limitBytes],
      );
    const { version } = readBundled();
    const whole = await get(`${baseUrl}/version.json`, 1024);
    assert.deepEqual({ ...whole, body: JSON.parse(whole.body) }, { status: 200, body: version, dated: true });
    const { hash, size } = version.bootstrap;
    assert.equal((await get(`${baseUrl}/bootstrap/${hash}.json`, size)).body.length > 100_000, true);
    assert.equal((await get(`${baseUrl}/bootstrap/${hash}.json`, 1000)).body, 1001);
    assert.equal((await get(`${baseUrl}/tables/grips/${hash}.json`, 1000)).status, 404);
    await assert.rejects(get('http://127.0.0.1:1', 1000), /no response, or one cut off/);
  });
});

async function openPage() {
  const browser = await chromium.launch({
    executablePath,
    // No sandbox for root, as whom containers run; nothing but our own pages are shown.
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
    timeout: 120_000,
  });
  ends.push(() => browser.close());
  return browser.newPage();
}

/** This package as a site: its examples import its files as they are. */
async function servePages() {
  const types = { html: 'text/html; charset=utf-8', js: 'text/javascript' };
  const server = createServer(({ url }, response) => {
    const path = new URL(url, 'http://localhost').pathname;
    const file = join(ROOT, 'snapshot-client-ts', path);
    const type = types[path.split('.').pop()];
    if (type && existsSync(file)) response.setHeader('content-type', type).end(readFileSync(file));
    else response.setHeader('content-type', types.html).end('<!doctype html><title>a page</title>');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  ends.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${server.address().port}`;
}

async function importTypeScript(path) {
  const { outputFiles } = await build({ entryPoints: [path], format: 'esm', write: false });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].text).toString('base64')}`);
}

/** A transport that counts bodies as they go over the wire, in whatever coding. */
function measured(traffic) {
  const codings = zlib.zstdDecompressSync ? 'zstd, br, gzip' : 'br, gzip';
  const unpack = { gzip: zlib.gunzipSync, br: zlib.brotliDecompressSync, zstd: zlib.zstdDecompressSync };
  return (url) =>
    new Promise((resolve, reject) => {
      const request = get(url, { headers: { 'accept-encoding': codings } }, (response) => {
        const parts = [];
        response.on('data', (part) => parts.push(part));
        response.on('end', () => {
          const body = Buffer.concat(parts);
          traffic.push({ path: new URL(url).pathname, bytes: body.length });
          const coding = response.headers['content-encoding'];
          resolve({ status: response.statusCode, body: coding ? unpack[coding](body) : body });
        });
      });
      request.on('error', reject);
    });
}

const listed = (traffic) =>
  `${sum(traffic)} bytes: ${traffic.map(({ path, bytes }) => `${path.split('/')[1]} ${bytes}`).join(', ')}`;
const sum = (traffic) => traffic.reduce((total, { bytes }) => total + bytes, 0);

// The server looks for a new version twice a second; how long that takes is not what we measure.
async function until(isSo, traffic) {
  while (!(await isSo())) {
    traffic.length = 0;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function serveByNginx(folder, root) {
  const logs = join(folder, 'nginx');
  mkdirSync(logs);
  const path = [...process.env.PATH.split(':'), '/usr/sbin']
    .map((each) => join(each, 'nginx'))
    .find(existsSync);
  // nginx cannot choose a port, and somebody else may be quicker to take one that was free.
  for (let attempt = 0; attempt < 10; attempt++) {
    const url = `http://127.0.0.1:${await freePort()}`;
    writeFileSync(join(logs, 'nginx.conf'), nginxConf(logs, root, new URL(url).host));
    const nginx = spawn(path, ['-p', logs, '-e', 'stderr', '-c', 'nginx.conf'], { stdio: 'ignore' });
    ends.push(() => endOf(nginx));
    let answered = false;
    while (!answered && nginx.exitCode === null) answered = await answers(url);
    if (nginx.exitCode === null) return url;
  }
  return assert.fail('nginx does not start');
}

function nginxConf(logs, root, place) {
  return `daemon off; error_log stderr; pid ${logs}/pid; worker_processes 1;
     events {}
     http {
       access_log off; types { application/json json; }
       client_body_temp_path ${logs}; proxy_temp_path ${logs}; fastcgi_temp_path ${logs}; uwsgi_temp_path ${logs}; scgi_temp_path ${logs};
       gzip on; gzip_types application/json; gzip_min_length 256; gzip_comp_level 9;
       server { listen ${place}; root ${root}; }
     }`;
}

const answers = (url) =>
  fetch(`${url}/version.json`).then(
    ({ ok }) => ok,
    () => new Promise((resolve) => setTimeout(resolve, 20, false)),
  );

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.on('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function endOf(child) {
  if (child.exitCode !== null) return undefined;
  child.removeAllListeners('exit');
  return new Promise((resolve) => {
    child.on('exit', resolve);
    child.kill();
  });
}
