// The local side of an app: its own files, an SQLite database, a source of its own. All of it without a server;
// `end-to-end.test.mjs` holds it to what is published.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import initSqlJs from 'sql.js';
import { readStore } from '../../tests/conformance/kit/store.mjs';
import { blake3 } from '../dist/blake3.js';
import { createLocalProvider, createReferenceProvider, createRemoteProvider } from '../dist/index.js';
import { betterSqlite3, localBundle, localJson, localSource, localSqlite, sqlJs } from '../dist/local.js';
import { LocalJsonSqliteProvider, RemotePostgresProvider, readBackendFlag } from '../dist/plan.js';
import { memoryStorage } from '../dist/storage.js';

const SQL = await initSqlJs();
const NOWHERE = 'http://127.0.0.1:1';

/** A database of these statements. */
function database(sql) {
  const database = new SQL.Database();
  database.run(sql);
  return database;
}

/** The snapshot of a provider that has nothing but this, and the errors that it told. */
async function open(t, bundled) {
  const provider = createLocalProvider({ bundled });
  t.after(() => provider.dispose());
  const errors = [];
  provider.on('error', ({ message }) => errors.push(message));
  const ready = await provider.waitForReady({ timeoutMs: 60_000 });
  return { provider, ready, snapshot: provider.getSnapshot(), errors };
}

async function rowsOf(t, bundled, key) {
  const { snapshot, errors } = await open(t, bundled);
  assert.deepEqual(errors, []);
  return snapshot.table(key);
}

/** Nothing can be read, and that is told. */
async function assertUnusable(t, bundled, message) {
  const { provider, ready, errors } = await open(t, bundled);
  assert.equal(errors.length, 1, errors.join('\n'));
  assert.match(errors[0], message);
  assert.equal(ready, 'no-data');
  await assert.rejects(provider.getBootstrap({ timeoutMs: 0 }), { code: 'no_data' });
}

// --- files ---

test('files give rows as they are published: active, in order, without notes, with nulls', async (t) => {
  const files = {
    grips: [
      { id: 'B', sort_order: 2, _note: '?', price: 1.5 },
      { id: 'C', sort_order: 1, is_active: true, source_type: 'seed' },
      { id: 'A', sort_order: 2, label: 'Ä', nested: { b: 1, a: [-0, null] } },
      { id: 'LAST' },
      { id: 'GONE', is_active: false, only_here: 1 },
    ],
  };
  const before = structuredClone(files);
  assert.deepStrictEqual(await rowsOf(t, localJson(files), 'grips'), [
    { id: 'C', is_active: true, label: null, nested: null, only_here: null, price: null, sort_order: 1 },
    {
      id: 'A',
      is_active: true,
      label: 'Ä',
      nested: { a: [0, null], b: 1 },
      only_here: null,
      price: null,
      sort_order: 2,
    },
    { id: 'B', is_active: true, label: null, nested: null, only_here: null, price: 1.5, sort_order: 2 },
    {
      id: 'LAST',
      is_active: true,
      label: null,
      nested: null,
      only_here: null,
      price: null,
      sort_order: null,
    },
  ]);
  // In the order of the published bytes, at every depth.
  assert.equal(
    JSON.stringify((await rowsOf(t, localJson(files), 'grips'))[1]),
    '{"id":"A","is_active":true,"label":"Ä","nested":{"a":[0,null],"b":1},"only_here":null,"price":null,"sort_order":2}',
  );
  assert.deepStrictEqual(files, before);
  assert.equal(Object.isFrozen(files.grips[0]), false);
});

test('rows are ordered by the bytes of their keys, numbers by value', async (t) => {
  const ids = (rows) => rows.map(({ id }) => id);
  const texts = ['\u{1F600}', '\uFF5E', 'é', 'z', 'Z', '10', '9', 'a', 'ab'].map((id) => ({ id }));
  assert.deepEqual(ids(await rowsOf(t, localJson({ a: texts }), 'a')), [
    '10',
    '9',
    'Z',
    'a',
    'ab',
    'z',
    'é',
    '\uFF5E',
    '\u{1F600}',
  ]);
  const numbers = [{ id: 10 }, { id: 9 }, { id: -1 }];
  assert.deepEqual(ids(await rowsOf(t, localJson({ a: numbers }), 'a')), [-1, 9, 10]);
});

test('a map is a row for each entry: of values, of rows, with the columns that the options name', async (t) => {
  const files = {
    icons: { _note: 'drawn by hand', B: '<svg b>', A: '<svg a>' },
    grips: { B: { label: 'b' }, A: { label: 'a', is_active: false } },
  };
  const bundled = localJson(files, {
    tables: { icons: { mapKey: ['id', 'grip_id'], defaults: { is_active: true, label: null } } },
  });
  assert.deepEqual(await rowsOf(t, bundled, 'icons'), [
    { grip_id: 'A', id: 'A', is_active: true, label: null, value: '<svg a>' },
    { grip_id: 'B', id: 'B', is_active: true, label: null, value: '<svg b>' },
  ]);
  assert.deepEqual(await rowsOf(t, bundled, 'grips'), [{ id: 'B', is_active: true, label: 'b' }]);
});

test('what a row says goes over a default, also where it says null', async (t) => {
  const bundled = localJson(
    { a: [{ id: 1, label: null, old: 3 }, { id: 2 }] },
    { tables: { a: { defaults: { label: 'x' }, ignoreColumns: ['old'] } } },
  );
  assert.deepEqual(await rowsOf(t, bundled, 'a'), [
    { id: 1, label: null },
    { id: 2, label: 'x' },
  ]);
});

test('files are named as bundlers name them', async (t) => {
  const { snapshot } = await open(
    t,
    localJson({ './tables/grips.json': [{ id: 1 }], 'muscles.json': [{ id: 2 }] }),
  );
  assert.deepEqual(snapshot.tableKeys, ['grips', 'muscles']);
  const module = await import('data:text/javascript,export default [{ id: 1 }]');
  assert.deepEqual(await rowsOf(t, localJson({ './grips.json': module }), 'grips'), [{ id: 1 }]);
});

test('a row is found by its primary key, whatever that is called', async (t) => {
  const bundled = localJson(
    { country: [{ code: 'NO', name: 'Norge' }], pairs: [{ a: 1, b: 'x' }] },
    { tables: { country: { primaryKey: ['code'] }, pairs: { primaryKey: ['a', 'b'] } } },
  );
  const { snapshot } = await open(t, bundled);
  assert.equal(snapshot.row('country', 'NO').name, 'Norge');
  assert.equal(snapshot.row('pairs', '1,x').b, 'x');
});

test('names that JavaScript has a meaning for are names like others', async (t) => {
  const row = JSON.parse('{"id": 1, "constructor": null, "toString": "x"}');
  const files = JSON.parse('{"__proto__": [{"id": 1}], "constructor": [{"id": 2}]}');
  const other = { id: 2 };
  const { snapshot, errors } = await open(t, localJson({ ...files, a: [row, other] }));
  assert.deepEqual(errors, []);
  assert.deepEqual(JSON.parse(JSON.stringify(snapshot.table('a'))), [
    row,
    JSON.parse('{"id": 2, "constructor": null, "toString": null}'),
  ]);
  assert.deepEqual(snapshot.tableKeys, ['__proto__', 'a', 'constructor']);
  assert.deepEqual(snapshot.table('__proto__'), [{ id: 1 }]);
  assert.deepEqual(snapshot.table('constructor'), [{ id: 2 }]);
});

test('everything that is wrong with files is told at once', async (t) => {
  const files = {
    a: 'text',
    b: [{ id: 1 }, 'row', null, [1]],
    c: [{ id: 1 }],
    'not-a-key': [],
    'x/c.json': [],
  };
  await assertUnusable(
    t,
    localJson(files, { tables: { none: {} } }),
    /^no_data: local: x\/c\.json is a second file of c; there is no file of none, which the options name; a: the file is neither a list nor a map; b: row 2 is no object; b: row 3 is no object; b: row 4 is no object$/,
  );
  const rows = [{ id: 'A' }, { label: 'x' }, { id: 'A' }, { id: null }];
  await assertUnusable(
    t,
    localJson({ 'not-a-key': [], rows }),
    /^no_data: local: "not-a-key" is no table key; rows: row 2 has the key of row 1, "A"; rows: row 3 has no id; rows: row 4 has no id$/,
  );
});

// --- SQLite ---

const OF_AN_APP = `
  CREATE TABLE grip_widths (id TEXT PRIMARY KEY COLLATE NOCASE, label TEXT, price REAL, common_names JSON, extra TEXT,
    sort_order INTEGER, is_active INTEGER, is_wide INTEGER, is_dynamic BOOLEAN, source_type TEXT, icon BLOB);
  INSERT INTO grip_widths VALUES
    ('B', 'Bé', 1.5, '["x", 1.0]', NULL, 2, 1, 1, 1, 'seed', NULL),
    ('C', 'C', 2, NULL, '{"b":1,"a":2}', 1, 1, 0, 0, 'seed', x'00ff'),
    ('a', NULL, NULL, 'null', '[]', 2, 1, NULL, NULL, 'admin', x'666f6f626172'),
    ('gone', NULL, NULL, NULL, NULL, 0, 0, 0, 0, 'seed', NULL);
  CREATE TABLE "pairs" (a INTEGER, b TEXT, PRIMARY KEY (b, a));
  INSERT INTO pairs VALUES (2, 'x'), (1, 'y'), (10, 'x');
  CREATE TABLE workouts (id INTEGER PRIMARY KEY, notes TEXT);
  INSERT INTO workouts VALUES (1, 'of the user');
  CREATE TABLE android_metadata (locale TEXT);
  CREATE TABLE reference_metadata (table_name TEXT PRIMARY KEY, version_seq INTEGER, last_updated TEXT);`;

test('a database of an app gives rows as they are published', async (t) => {
  const bundled = localSqlite(sqlJs(database(OF_AN_APP)), {
    json: ['extra'],
    booleans: ['grip_widths.is_wide'],
  });
  const { snapshot, errors } = await open(t, bundled);
  assert.deepEqual(errors, []);
  assert.deepEqual(snapshot.tableKeys, ['gripWidths', 'pairs', 'workouts']);
  const common = { is_active: true };
  assert.deepStrictEqual(snapshot.table('gripWidths'), [
    {
      ...common,
      common_names: null,
      extra: { a: 2, b: 1 },
      icon: 'AP8=',
      id: 'C',
      is_dynamic: false,
      is_wide: false,
      label: 'C',
      price: 2,
      sort_order: 1,
    },
    {
      ...common,
      common_names: ['x', 1],
      extra: null,
      icon: null,
      id: 'B',
      is_dynamic: true,
      is_wide: true,
      label: 'Bé',
      price: 1.5,
      sort_order: 2,
    },
    {
      ...common,
      common_names: null,
      extra: [],
      icon: 'Zm9vYmFy',
      id: 'a',
      is_dynamic: null,
      is_wide: null,
      label: null,
      price: null,
      sort_order: 2,
    },
  ]);
  assert.deepEqual(snapshot.table('pairs'), [
    { a: 2, b: 'x' },
    { a: 10, b: 'x' },
    { a: 1, b: 'y' },
  ]);
  assert.deepEqual(snapshot.row('pairs', 'x,10'), { a: 10, b: 'x' });
});

test('only the tables that are named are read', async (t) => {
  const { snapshot } = await open(t, localSqlite(sqlJs(database(OF_AN_APP)), { tables: ['pairs'] }));
  assert.deepEqual(snapshot.tableKeys, ['pairs']);
});

test('a database may be a promise, or a function that opens it', async (t) => {
  for (const opened of [async () => sqlJs(database(OF_AN_APP)), Promise.resolve(sqlJs(database(OF_AN_APP)))])
    assert.equal((await rowsOf(t, localSqlite(opened), 'pairs')).length, 3);
});

test('a bundle is read in the order of its rows, with the version that it tells', async (t) => {
  const bundle = database(`
    CREATE TABLE reference_metadata (table_name TEXT, table_key TEXT, schema_version TEXT, reference_version TEXT, last_updated TEXT);
    INSERT INTO reference_metadata VALUES ('events', 'Events', '1.3', 'seq:42', '2026-02-24T13:12:04Z');
    CREATE TABLE events ("at" TEXT PRIMARY KEY, rowid TEXT);
    INSERT INTO events VALUES ('2026-02-24T13:12:04Z', 'z'), ('2026-02-24T13:12:04.5Z', 'a');
    CREATE TABLE of_the_app (id TEXT);`);
  const { snapshot } = await open(t, localSqlite(sqlJs(bundle)));
  assert.deepEqual(snapshot.tableKeys, ['Events']);
  assert.deepEqual(
    snapshot.table('Events').map(({ at }) => at),
    ['2026-02-24T13:12:04Z', '2026-02-24T13:12:04.5Z'],
  );
  const { schemaVersion, referenceVersion, generatedAt } = snapshot;
  assert.deepEqual(
    { schemaVersion, referenceVersion, generatedAt },
    { schemaVersion: '1.3', referenceVersion: 'seq:42', generatedAt: '2026-02-24T13:12:04Z' },
  );
});

test('what is written while a database is read is read again, and not for ever', async (t) => {
  const raw = database(OF_AN_APP);
  const plain = sqlJs(raw);
  let writes = 0;
  let number = 100;
  const written = (times) => ({
    getAllAsync: async (sql) => {
      if (/FROM "pairs"/.test(sql) && writes++ < times)
        raw.run(`INSERT INTO pairs VALUES (${number++}, 'x')`);
      return plain.getAllAsync(sql);
    },
  });
  assert.equal((await rowsOf(t, localSqlite(written(1)), 'pairs')).length, 4);
  writes = 0;
  await assertUnusable(t, localSqlite(written(100)), /the database is written all the time/);
});

test('a database that cannot be used is told, whatever is wrong with it', async (t) => {
  const wrong = (sql) => localSqlite(sqlJs(database(sql)));
  await assertUnusable(t, wrong(''), /^no_data: local: there are no tables$/);
  await assertUnusable(
    t,
    wrong('CREATE TABLE a (id TEXT); CREATE TABLE b (id TEXT);'),
    /none of the 2 tables has a row/,
  );
  await assertUnusable(
    t,
    wrong(
      "CREATE TABLE a (id TEXT PRIMARY KEY, x JSON); INSERT INTO a VALUES ('1', '{'), ('2', '1'), ('3', '}');",
    ),
    /^no_data: local: a: row 1: x: .+; a: row 3: x: /,
  );
  await assertUnusable(
    t,
    wrong('CREATE TABLE a (x REAL); INSERT INTO a VALUES (9e999);'),
    /Infinity is no number/,
  );
  await assertUnusable(
    t,
    localSqlite(sqlJs(database(OF_AN_APP)), { tables: ['nope'] }),
    /there is no table nope/,
  );
  await assertUnusable(
    t,
    localSqlite(async () => Promise.reject(new Error('no such file'))),
    /no such file/,
  );
});

test('big integers come as numbers, or are told where no number holds them', async (t) => {
  const rows = (value) => ({
    getAllAsync: async (sql) => {
      if (sql.includes('sqlite_master')) return [{ t: 'a', n: 'id', k: 'INTEGER', p: 1n }];
      return sql.includes('total_changes') ? [{ a: 1n }] : [{ c0: value }];
    },
  });
  assert.deepEqual(await rowsOf(t, localSqlite(rows(7n)), 'a'), [{ id: 7 }]);
  await assertUnusable(t, localSqlite(rows(2n ** 53n)), /9007199254740992 is beyond what a number holds/);
});

test('node:sqlite is read by the same adapter as better-sqlite3', async (t) => {
  const sqlite = await import('node:sqlite').catch(() => undefined);
  if (!sqlite) return t.skip('this Node has no node:sqlite');
  const database = new sqlite.DatabaseSync(':memory:');
  database.exec(OF_AN_APP);
  assert.equal((await rowsOf(t, localSqlite(betterSqlite3(database)), 'pairs')).length, 3);
});

test('what has the two methods of better-sqlite3 is read', async (t) => {
  const plain = database(OF_AN_APP);
  const asBetterSqlite3 = {
    prepare: (sql) => ({
      all: () => {
        const [{ columns, values } = { columns: [], values: [] }] = plain.exec(sql);
        return values.map((row) => Object.fromEntries(columns.map((name, at) => [name, row[at]])));
      },
    }),
  };
  assert.equal((await rowsOf(t, localSqlite(betterSqlite3(asBetterSqlite3)), 'pairs')).length, 3);
});

// --- the files of `publisher bundle DIR` ---

const store = readStore();

/** Three files of a version of the kit's store. */
const filesOf = (name) => {
  const { version, manifest, bootstrap } = structuredClone(store.named(name));
  return { version, manifest, bootstrap };
};

test('files that belong together are taken', async (t) => {
  const { snapshot, errors } = await open(t, localBundle(filesOf('one')));
  assert.deepEqual(errors, []);
  assert.equal(snapshot.version.sequence, 1);
  assert.equal(snapshot.table('grips').length, 2);
});

test('keys that look like numbers are no damage, wherever a bundler puts them', async (t) => {
  const row = '{"id":"A","scores":{"10":1,"2":2,"a":{"b":-1.5,"é":null}}}';
  const object = `{"schemaVersion":"1.0","table":"grips","rows":[\n${row}\n]}`;
  const { version, manifest, bootstrap } = filesOf('one');
  const table = {
    ...manifest.tables.grips,
    hash: blake3(new TextEncoder().encode(object)),
    inBootstrap: true,
  };
  const named = { ...manifest, tables: { grips: table } };
  const hash = blake3(new TextEncoder().encode(JSON.stringify(named)));
  const files = {
    version: { ...version, manifest: { hash, size: 1 } },
    manifest: named,
    bootstrap: { ...bootstrap, tables: { grips: [JSON.parse(row)] } },
  };
  assert.notEqual(JSON.stringify(JSON.parse(row)), row);
  assert.deepEqual((await open(t, localBundle(files))).errors, []);
});

test('files that do not belong together are refused with all that is wrong', async (t) => {
  const one = filesOf('one');
  const two = filesOf('two');
  await assertUnusable(
    t,
    localBundle({ ...one, bootstrap: two.bootstrap }),
    /^no_data: local: bootstrap\.json has another .*referenceVersion.* than version\.json; .*bootstrap\.json has other rows of grips/,
  );
  await assertUnusable(
    t,
    localBundle({ ...one, manifest: two.manifest }),
    /manifest\.json is not the one that version\.json names/,
  );
  await assertUnusable(t, localBundle({ ...two, version: one.version }), /manifest\.json is not the one/);
  const edited = filesOf('one');
  edited.bootstrap.tables.grips[0].label += ', edited';
  await assertUnusable(
    t,
    localBundle(edited),
    /^no_data: local: bootstrap\.json has other rows of grips than manifest\.json names$/,
  );
  const lacking = filesOf('one');
  delete lacking.bootstrap.tables.grips;
  lacking.bootstrap.tables.more = [];
  await assertUnusable(
    t,
    localBundle(lacking),
    /has no grips, .*; bootstrap\.json has more, which manifest\.json does not name$/,
  );
  await assertUnusable(t, localBundle({ ...one, version: {} }), /version\.json is none/);
  await assertUnusable(
    t,
    localBundle({ version: one.version, bootstrap: one.bootstrap }),
    /manifest\.json is none/,
  );
  await assertUnusable(
    t,
    localBundle({ version: one.version, manifest: one.manifest }),
    /bootstrap\.json is none/,
  );
});

// --- a source of the app's own, and the flag ---

const own = {
  getVersion: () => ({ referenceVersion: 'seq:7' }),
  getTableKeys: () => ['grips'],
  getTable: async () => [{ id: 'A', label: 'a' }],
  getPrimaryKey: () => ['id'],
};

test('a source of the app’s own is one by four methods', async (t) => {
  const { snapshot } = await open(t, localSource(own));
  assert.deepEqual(snapshot.table('grips'), [{ id: 'A', label: 'a' }]);
  assert.equal(snapshot.referenceVersion, 'seq:7');
  await assertUnusable(
    t,
    localSource({
      ...own,
      getTable: () => {
        throw new Error('locked');
      },
    }),
    /locked/,
  );
});

test('with the flag off the local side is all there is, whatever the storage has', async (t) => {
  const touched = [];
  const storage = memoryStorage();
  for (const call of ['getItem', 'setItem', 'removeItem']) storage[call] = () => touched.push(call);
  const provider = createReferenceProvider({
    baseUrl: NOWHERE,
    bundled: localSource(own),
    storage,
    transport: async (url) => {
      touched.push(url);
      return { status: 500, body: '' };
    },
    enabled: false,
  });
  t.after(() => provider.dispose());
  assert.equal(await provider.waitForReady(), 'bundled');
  assert.equal(provider.kind, 'local');
  assert.equal((await provider.refresh()).status, 'skipped');
  assert.deepEqual(touched, []);
});

test('local data that never comes is told after ten seconds, and keeps nothing waiting for ever', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const provider = createReferenceProvider({
    baseUrl: NOWHERE,
    bundled: localSqlite({ getAllAsync: () => new Promise(() => {}) }),
    transport: async () => ({ status: 404, body: '' }),
    polling: 'manual',
    enabled: () => true,
  });
  t.after(() => provider.dispose());
  const errors = [];
  provider.on('error', ({ message }) => errors.push(message));
  const refreshed = provider.refresh();
  t.mock.timers.tick(9_999);
  await new Promise(setImmediate);
  assert.deepEqual(errors, []);
  t.mock.timers.tick(1);
  // Waiting for it has an end.
  assert.equal((await refreshed).status, 'failed');
  assert.equal(errors[0], 'timeout: local: the data does not come');
});

test('with the flag off, nothing to read is told and never silent', async (t) => {
  for (const bundled of [undefined, () => undefined, async () => null, {}]) {
    const provider = createReferenceProvider({ baseUrl: NOWHERE, bundled, enabled: false });
    t.after(() => provider.dispose());
    const errors = [];
    provider.on('error', ({ code }) => errors.push(code));
    assert.equal(await provider.waitForReady(), 'no-data');
    assert.deepEqual(errors, ['no_data']);
  }
  // Of a major that the app's code does not know.
  const of2 = localSource({ ...own, getVersion: () => ({ schemaVersion: '2.0' }) });
  await assertUnusable(t, of2, /^no_data: bundled$/);
});

test('a flip of the flag tries a local side again that could not be used, and tells of it again', async (t) => {
  let filled = false;
  let changed;
  const flag = {
    value: false,
    get: () => flag.value,
    subscribe: (call) => {
      changed = call;
      return () => {};
    },
  };
  const provider = createReferenceProvider({
    baseUrl: NOWHERE,
    bundled: async () => localSqlite(sqlJs(database(filled ? OF_AN_APP : '')))(),
    polling: 'manual',
    enabled: flag,
  });
  t.after(() => provider.dispose());
  const errors = [];
  provider.on('error', ({ message }) => errors.push(message));
  const flip = async (value) => {
    flag.value = value;
    changed();
    return provider.waitForReady();
  };
  const unusable = 'no_data: local: there are no tables';
  assert.equal(await provider.waitForReady(), 'no-data');
  assert.deepEqual(errors, [unusable]);
  await flip(true);
  assert.equal(await flip(false), 'no-data');
  assert.deepEqual(errors, [unusable, unusable, unusable]);
  filled = true;
  await flip(true);
  assert.equal(await flip(false), 'bundled');
  assert.deepEqual(errors, [unusable, unusable, unusable]);
});

test('a remote provider may have nothing bundled', async (t) => {
  const provider = createRemoteProvider({ baseUrl: NOWHERE, polling: 'manual' });
  t.after(() => provider.dispose());
  const errors = [];
  provider.on('error', ({ code }) => errors.push(code));
  await provider.waitForReady({ timeoutMs: 0 });
  assert.deepEqual(errors, []);
});

// --- the plan's names ---

test('the plan’s providers are ours', async (t) => {
  const local = new LocalJsonSqliteProvider({ bundled: localJson({ grips: [{ id: 'A' }] }) });
  const remote = new RemotePostgresProvider({ baseUrl: NOWHERE, polling: 'manual' });
  t.after(() => {
    local.dispose();
    remote.dispose();
  });
  assert.ok(local instanceof LocalJsonSqliteProvider);
  assert.deepEqual([local.kind, remote.kind], ['local', 'remote']);
  assert.deepEqual(await local.getTable('grips'), [{ id: 'A' }]);
  assert.equal((await remote.refresh()).status, 'failed');
});

test('getBootstrap gives the wrapper and its tables, the same object each time', async () => {
  const provider = createLocalProvider({
    bundled: localJson({ grips: [{ id: 'A' }], muscles: [{ id: 'B' }] }),
  });
  const bootstrap = await provider.getBootstrap({ allowStaleCache: true });
  const { schemaVersion, referenceVersion, generatedAt, tables } = bootstrap;
  assert.deepEqual(
    { schemaVersion, referenceVersion, generatedAt, tables },
    {
      schemaVersion: '1.0',
      referenceVersion: 'seq:0',
      generatedAt: '1970-01-01T00:00:00Z',
      tables: { grips: [{ id: 'A' }], muscles: [{ id: 'B' }] },
    },
  );
  assert.equal(bootstrap.tables, tables);
  assert.equal(tables.grips, bootstrap.table('grips'));
  assert.throws(() => {
    tables.grips = [];
  }, TypeError);
});

test('the environment turns the backend on by exactly true', () => {
  assert.equal(readBackendFlag({ USE_BACKEND_REFERENCE: 'true' }), true);
  assert.equal(readBackendFlag({ VITE_USE_BACKEND_REFERENCE: 'true', MODE: 'production' }), true);
  assert.equal(readBackendFlag({ EXPO_PUBLIC_USE_BACKEND_REFERENCE: 'true' }), true);
  assert.equal(readBackendFlag({ USE_BACKEND_REFERENCE: true }), true);
  for (const value of [
    '',
    'TRUE',
    'True',
    ' true',
    'true ',
    '1',
    'yes',
    'on',
    1,
    {},
    null,
    ['true'],
    undefined,
  ])
    assert.equal(readBackendFlag({ USE_BACKEND_REFERENCE: value }), false, `${value}`);
  assert.equal(
    readBackendFlag({ USE_BACKEND_REFERENCE: 'true', VITE_USE_BACKEND_REFERENCE: 'false' }),
    false,
  );
  assert.equal(readBackendFlag({}), false);
  const broken = {
    get USE_BACKEND_REFERENCE() {
      throw new Error('no environment');
    },
  };
  assert.equal(readBackendFlag(broken), false);
});

test('without an environment it is that of the process', (t) => {
  const { USE_BACKEND_REFERENCE: before } = process.env;
  t.after(() => {
    if (before === undefined) delete process.env.USE_BACKEND_REFERENCE;
    else process.env.USE_BACKEND_REFERENCE = before;
  });
  process.env.USE_BACKEND_REFERENCE = 'true';
  assert.equal(readBackendFlag(), true);
  process.env.USE_BACKEND_REFERENCE = 'false';
  assert.equal(readBackendFlag(), false);
});
