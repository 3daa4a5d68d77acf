// What only this package has: forms of its options, its timers, Node.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startServer } from '../../tests/conformance/kit/server.mjs';
import { readStore } from '../../tests/conformance/kit/store.mjs';
import { createLocalProvider, createReferenceProvider, createRemoteProvider } from '../dist/index.js';
import { browserLifecycle, reactNativeLifecycle } from '../dist/lifecycle.js';
import { fileStorage } from '../dist/node.js';
import { memoryStorage } from '../dist/storage.js';
import { PATIENT } from './patient.mjs';

const store = readStore();
const bundledOf = (name) => {
  const { version, bootstrap } = structuredClone(store.named(name));
  return { version, bootstrap };
};

/** A server of the store for one test. */
async function serving(t, name) {
  const server = await startServer(store);
  t.after(() => server.close());
  server.state.published = name;
  return { server, baseUrl: `http://127.0.0.1:${server.port}/run` };
}

test('a flag may be a function, which is asked at each call', async (t) => {
  const { server, baseUrl } = await serving(t, 'two');
  let value = 'true';
  const provider = createReferenceProvider({
    ...PATIENT,
    baseUrl,
    bundled: bundledOf('one'),
    enabled: () => value,
  });
  t.after(() => provider.dispose());
  assert.equal((await provider.getVersion()).sequence, 1);
  assert.equal(server.state.received, 0);
  value = true;
  assert.equal((await provider.getVersion()).sequence, 2);
  assert.equal(provider.kind, 'remote');
  value = 1;
  assert.equal((await provider.getVersion()).sequence, 1);
  assert.equal(provider.getStatus().ready, 'bundled');
});

test('with the flag off nothing fetched is shown, also where what the app ships cannot be used', async (t) => {
  const { baseUrl } = await serving(t, 'two');
  const flips = new Set();
  const flag = {
    value: true,
    get: () => flag.value,
    subscribe: (call) => {
      flips.add(call);
      return () => flips.delete(call);
    },
  };
  const provider = createReferenceProvider({
    ...PATIENT,
    baseUrl,
    bundled: () => Promise.reject(new Error('the file is gone')),
    enabled: flag,
  });
  t.after(() => provider.dispose());
  const errors = [];
  provider.on('error', ({ code }) => errors.push(code));
  assert.equal((await provider.getVersion()).sequence, 2);
  const seen = [];
  provider.subscribe(() => seen.push(provider.getSnapshot()?.version.sequence));
  const flip = (value) => {
    flag.value = value;
    for (const call of flips) call();
  };
  errors.length = 0;
  flip(false);
  assert.equal(provider.getSnapshot(), undefined);
  assert.deepEqual(seen, [undefined]);
  assert.equal(await provider.waitForReady(), 'no-data');
  await assert.rejects(provider.getTable('grips', { allowStaleCache: true }), { code: 'no_data' });
  assert.deepEqual(errors, ['no_data']);
  flip(true);
  assert.equal(provider.getSnapshot().version.sequence, 2);
  assert.deepEqual(seen, [undefined, 2]);
});

test('what is bundled may be a function, or a promise of it', async () => {
  for (const bundled of [() => bundledOf('one'), async () => bundledOf('one')]) {
    const provider = createLocalProvider({ bundled });
    assert.equal((await provider.getTable('grips')).length, 2);
    assert.equal(await provider.waitForReady(), 'bundled');
  }
});

test('what is bundled may be missing: that is an error, and not the end', async (t) => {
  const { baseUrl } = await serving(t, 'one');
  const bundled = async () => Promise.reject(new Error('no such file'));
  const errors = [];
  const provider = createRemoteProvider({ ...PATIENT, baseUrl, bundled });
  t.after(() => provider.dispose());
  provider.on('error', ({ message }) => errors.push(message));
  assert.equal(await provider.waitForReady(), 'up-to-date');
  assert.deepEqual(errors, ['no_data: bundled: no such file']);
});

test('a synchronous storage has the data before the first frame', async (t) => {
  const { baseUrl } = await serving(t, 'one');
  const storage = memoryStorage();
  const first = createRemoteProvider({ ...PATIENT, baseUrl, storage });
  await first.waitForReady();
  first.dispose();
  const second = createRemoteProvider({ ...PATIENT, baseUrl, storage, polling: 'manual' });
  t.after(() => second.dispose());
  assert.equal(second.getSnapshot()?.version.sequence, 1);
});

test('a digit that a disk has changed in the head is not believed', async (t) => {
  const { baseUrl } = await serving(t, 'one');
  const values = new Map();
  const storage = memoryStorage(values);
  const first = createRemoteProvider({ ...PATIENT, baseUrl, storage });
  await first.waitForReady();
  first.dispose();
  const [key] = [...values.keys()].filter((key) => key.endsWith('/head'));
  const damaged = values.get(key).replace('"sequence":1,', '"sequence":9,');
  assert.notEqual(damaged, values.get(key));
  values.set(key, damaged);
  const second = createRemoteProvider({ ...PATIENT, baseUrl, storage });
  t.after(() => second.dispose());
  const errors = [];
  second.on('error', ({ message }) => errors.push(message));
  assert.equal(await second.waitForReady(), 'up-to-date');
  assert.equal(second.getSnapshot().version.sequence, 1);
  assert.deepEqual(errors, ['cache_corrupt: head']);
});

/** A head, as the cache has it, without the check that would find every change of it. */
const unchecked = (text, change) => {
  const { check, ...head } = JSON.parse(text);
  assert.match(check, /^[0-9a-f]{16}$/);
  change(head);
  return JSON.stringify(head);
};

for (const [what, change] of Object.entries({
  'has no format': (head) => delete head.cacheFormat,
  'has a format in quotes': (head) => (head.cacheFormat = '1'),
  'names a sequence in quotes': (head) => (head.current.sequence = '9'),
  'names a manifest that is no hash': (head) => (head.current.manifest.hash = '../head'),
  'names nothing': (head) => (head.current = null),
})) {
  test(`a head that ${what} is none, and is written anew`, async (t) => {
    const { baseUrl } = await serving(t, 'one');
    const values = new Map();
    const storage = memoryStorage(values);
    const first = createRemoteProvider({ ...PATIENT, baseUrl, storage });
    await first.waitForReady();
    first.dispose();
    const [key] = [...values.keys()].filter((key) => key.endsWith('/head'));
    const text = values.get(key);
    values.set(key, unchecked(text, change));
    const second = createRemoteProvider({ ...PATIENT, baseUrl, storage });
    t.after(() => second.dispose());
    const errors = [];
    second.on('error', ({ message }) => errors.push(message));
    assert.equal(second.getSnapshot(), undefined);
    assert.equal(await second.waitForReady(), 'up-to-date');
    assert.deepEqual(errors, ['cache_corrupt: head']);
    assert.equal(values.get(key), text);
  });
}

test('a head without a check is one of an earlier release; one whose previous version is none has only the other', async (t) => {
  const { baseUrl } = await serving(t, 'one');
  const values = new Map();
  const storage = memoryStorage(values);
  const first = createRemoteProvider({ ...PATIENT, baseUrl, storage });
  await first.waitForReady();
  first.dispose();
  const [key] = [...values.keys()].filter((key) => key.endsWith('/head'));
  const text = values.get(key);
  for (const previous of [null, {}, 'two', { ...JSON.parse(text).current, sequence: -1 }]) {
    values.set(
      key,
      unchecked(text, (head) => (head.previous = previous)),
    );
    const next = createRemoteProvider({ ...PATIENT, baseUrl, storage, polling: 'manual' });
    t.after(() => next.dispose());
    assert.equal(next.getSnapshot()?.version.sequence, 1, JSON.stringify(previous));
  }
});

test('a previous version that is none is not looked for when the current one is damaged', async (t) => {
  const { baseUrl } = await serving(t, 'one');
  const values = new Map();
  const storage = memoryStorage(values);
  const first = createRemoteProvider({ ...PATIENT, baseUrl, storage });
  await first.waitForReady();
  first.dispose();
  const [key] = [...values.keys()].filter((key) => key.endsWith('/head'));
  const { hash } = JSON.parse(values.get(key)).current.manifest;
  const previous = { schemaVersion: '1.0', epoch: 1, sequence: 0 };
  values.set(
    key,
    unchecked(values.get(key), (head) => (head.previous = previous)),
  );
  values.delete(key.replace(/head$/, `${hash}.0`));
  const next = createRemoteProvider({ ...PATIENT, baseUrl, storage, polling: 'manual' });
  t.after(() => next.dispose());
  const errors = [];
  next.on('error', ({ message }) => errors.push(message));
  await next.waitForReady();
  assert.equal(next.getSnapshot(), undefined);
  assert.deepEqual(errors, [`cache_corrupt: manifest (${hash})`]);
});

test('an object is cut into pieces between its characters', async () => {
  const values = new Map();
  const text = `x${'😀'.repeat(300_000)}`;
  const [hash, manifest] = ['a'.repeat(64), 'b'.repeat(64)];
  const cache = memoryStorage(values).open({
    config: { baseUrl: 'http://test/' },
    loaded: {
      texts: new Map([
        [hash, text],
        [manifest, '{}'],
      ]),
    },
    knows: () => true,
    report: assert.fail,
  });
  const { version } = store.named('one');
  const next = { ...version, manifest: { ...version.manifest, hash: manifest } };
  await cache.commit({ version: next, manifest: { tables: { many: { hash } } } });
  const pieces = [0, 1, 2].map(
    (piece) => [...values].find(([key]) => key.endsWith(`/${hash}.${piece}`))?.[1],
  );
  for (const piece of pieces) assert.ok(piece.length <= 262_144 && piece.isWellFormed());
  assert.equal(pieces.join(''), `3\n${text}`);
});

test('no request has a header of ours, a cache mode or a query', async (t) => {
  const seen = [];
  const server = createServer((request, response) => {
    seen.push(request.headers, request.url);
    response.end(store.named('one').text);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const provider = createRemoteProvider({
    baseUrl: `http://127.0.0.1:${server.address().port}`,
    polling: 'manual',
  });
  await provider.refresh();
  provider.dispose();
  const [headers, url] = seen;
  assert.equal(url, '/version.json');
  for (const name of ['if-none-match', 'if-modified-since', 'authorization', 'content-type'])
    assert.ok(!(name in headers));
  // Undici sends this of itself for `cache: 'no-store'`.
  assert.ok(!('pragma' in headers));
});

test('a program that is done need not wait for the next poll', async (t) => {
  const { baseUrl } = await serving(t, 'one');
  const program = `
    import { createRemoteProvider } from ${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)};
    const provider = createRemoteProvider({ ...${JSON.stringify(PATIENT)}, baseUrl: ${JSON.stringify(baseUrl)} });
    console.log(await provider.waitForReady(), provider.getStatus().nextRefreshAt !== undefined);
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (data) => {
    said += data;
  });
  const [code] = await once(child, 'exit');
  assert.deepEqual([code, said], [0, 'up-to-date true\n']);
});

test('files are written whole, and a name that is none of ours is refused', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tablecast-files-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const storage = fileStorage(folder);
  await storage.setItem('tablecast/x/head', 'one');
  const values = Array.from({ length: 20 }, (_, n) => `${n}`.repeat(70_000));
  await Promise.all(values.map((value) => storage.setItem('tablecast/x/head', value)));
  assert.ok(values.includes(await storage.getItem('tablecast/x/head')));
  assert.deepEqual(readdirSync(join(folder, 'tablecast/x')), ['head']);
  assert.equal(await storage.getItem('tablecast/x/other'), null);
  for (const key of ['../head', 'tablecast/../../x', '/etc/passwd', 'a//b', '']) {
    await assert.rejects(storage.setItem(key, ''), /no key of ours/);
  }
});

test('no file and no folder of a cache is reached through a link', async (t) => {
  const all = mkdtempSync(join(tmpdir(), 'tablecast-links-'));
  t.after(() => rmSync(all, { recursive: true }));
  const precious = join(all, 'precious');
  const cache = join(all, 'cache');
  for (const folder of [precious, cache]) mkdirSync(folder);
  writeFileSync(join(precious, 'head'), 'content');
  const storage = fileStorage(cache);
  const cases = [
    ['../precious', 'trap/head'],
    ['.', 'trap/head'],
    ['nowhere', 'trap/head'],
    ['trap', 'trap/head'],
    ['../precious/head', 'trap'],
    ['nowhere', 'trap'],
    ['/dev/null', 'trap'],
  ];
  for (const [target, key] of cases) {
    symlinkSync(target, join(cache, 'trap'));
    const refusal = /cache\/trap is a symbolic link/;
    await assert.rejects(storage.getItem(key), refusal);
    await assert.rejects(storage.setItem(key, 'new'), refusal);
    await assert.rejects(storage.removeItem(key), refusal);
    assert.deepEqual([readdirSync(precious), readdirSync(cache)], [['head'], ['trap']]);
    assert.equal(readFileSync(join(precious, 'head'), 'utf8'), 'content');
    rmSync(join(cache, 'trap'));
  }
  symlinkSync('cache', join(all, 'linked'));
  const linked = fileStorage(join(all, 'linked'));
  await linked.setItem('tablecast/head', 'one');
  assert.equal(await storage.getItem('tablecast/head'), 'one');
});

test('a value is not written through a link under the name that it is written aside', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tablecast-aside-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'precious'), 'content');
  symlinkSync('precious', join(folder, `head.${process.pid}-0.tmp`));
  const storage = fileStorage(folder);
  await storage.setItem('head', 'new');
  assert.equal(readFileSync(join(folder, 'precious'), 'utf8'), 'content');
  assert.equal(await storage.getItem('head'), 'new');
});

test('a FIFO in a cache is refused at once', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tablecast-fifo-'));
  t.after(() => rmSync(folder, { recursive: true }));
  execFileSync('mkfifo', [join(folder, 'head')]);
  const storage = fileStorage(folder);
  const refusal = /head is not a file/;
  await assert.rejects(storage.getItem('head'), refusal);
  await assert.rejects(storage.setItem('head', 'new'), refusal);
  await assert.rejects(storage.removeItem('head'), refusal);
});

test('a process killed while it writes leaves a whole cache', async (t) => {
  const { server, baseUrl } = await serving(t, 'one');
  const folder = mkdtempSync(join(tmpdir(), 'tablecast-killed-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const program = `
    import { createRemoteProvider } from ${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)};
    import { fileStorage } from ${JSON.stringify(new URL('../dist/node.js', import.meta.url).href)};
    import { cacheIn } from ${JSON.stringify(new URL('../dist/storage.js', import.meta.url).href)};
    const inner = fileStorage(${JSON.stringify(folder)});
    let writes = Number(process.argv[1]);
    const storage = {
      getItem: inner.getItem,
      removeItem: inner.removeItem,
      setItem: (key, value) => {
        // While the write is under way.
        if (writes-- === 0) setImmediate(() => process.kill(process.pid, 'SIGKILL'));
        return inner.setItem(key, value);
      },
    };
    const provider = createRemoteProvider({ ...${JSON.stringify(PATIENT)}, baseUrl: ${JSON.stringify(baseUrl)}, storage: cacheIn(storage), namespace: 'k' });
    await provider.waitForReady();
  `;
  const start = (writes) => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program, '--', String(writes)], {
      stdio: 'inherit',
    });
    return once(child, 'exit');
  };
  const current = async () => {
    const provider = createRemoteProvider({
      ...PATIENT,
      baseUrl: 'http://127.0.0.1:1',
      storage: fileStorage(folder),
      namespace: 'k',
    });
    await provider.waitForReady();
    provider.dispose();
    const snapshot = provider.getSnapshot();
    if (!snapshot) return undefined;
    const { name, tables } = ['one', 'three']
      .map(store.named)
      .find(({ version }) => version.sequence === snapshot.version.sequence);
    assert.deepEqual(Object.fromEntries(snapshot.tableKeys.map((key) => [key, snapshot.table(key)])), tables);
    return name;
  };
  await start(-1);
  assert.equal(await current(), 'one');
  server.state.published = 'three';
  for (const writes of [0, 2, 4]) {
    await start(writes);
    assert.match(await current(), /^(one|three)$/);
  }
  await start(-1);
  assert.equal(await current(), 'three');
});

test('an app in the background does not poll', () => {
  const told = [];
  const provider = { setActive: (is) => told.push(is), setOnline: (is) => told.push(`online ${is}`) };
  let change;
  let network;
  const end = reactNativeLifecycle(
    {
      currentState: 'background',
      addEventListener: (_, listener) => {
        change = listener;
        return { remove: () => told.push('end') };
      },
    },
    {
      addEventListener: (listener) => {
        network = listener;
        return () => told.push('end of network');
      },
    },
  )(provider);
  change('active');
  change('inactive');
  network({ isConnected: null });
  network({ isConnected: false });
  end();
  assert.deepEqual(told, [false, true, true, 'online true', 'online false', 'end', 'end of network']);
  assert.equal(typeof browserLifecycle(), 'function');
});

test('a page may be rendered where there is no document', async (t) => {
  assert.equal(typeof document, 'undefined');
  const provider = createReferenceProvider({
    baseUrl: 'http://127.0.0.1:1/',
    bundled: bundledOf('one'),
    enabled: () => false,
    lifecycle: browserLifecycle(),
  });
  t.after(() => provider.dispose());
  assert.equal((await provider.getTable('grips')).length, 2);
});

test('require() works where Node has it for modules', () => {
  const program = `process.stdout.write(typeof require(${JSON.stringify(new URL('../dist/index.js', import.meta.url).pathname)}).createReferenceProvider)`;
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major === 20 && minor < 19) return;
  assert.equal(
    execFileSync(process.execPath, ['--no-warnings', '-e', program], { encoding: 'utf8' }),
    'function',
  );
});
