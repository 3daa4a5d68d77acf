// What ends, ends: listeners, requests, waiting, a provider; and what another tab writes comes in its turn. By a clock
// and a transport of the test's own, so nothing here takes time.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readStore } from '../../tests/conformance/kit/store.mjs';
import { createReferenceProvider, createRemoteProvider } from '../dist/index.js';
import { createQueue } from '../dist/queue.js';
import { cacheIn } from '../dist/storage.js';

const store = readStore();
const settled = () => new Promise((resolve) => setImmediate(resolve));

/** A store over a transport that can be held back, and a clock that stands still. */
function world(published = 'one') {
  const timers = new Set();
  const given = {
    published,
    signals: [],
    hold: false,
    clock: {
      now: () => 1000,
      random: () => 0.5,
      setTimer: (callback) => {
        const timer = { callback };
        timers.add(timer);
        return timer;
      },
      clearTimer: (timer) => timers.delete(timer),
    },
    transport: (url, _, signal) => {
      given.signals.push(signal);
      if (given.hold) return new Promise(() => {});
      const path = new URL(url).pathname.slice(1);
      const body = path === 'version.json' ? store.named(given.published).text : store.read(path);
      return Promise.resolve({ status: 200, body: typeof body === 'string' ? body : Buffer.from(body) });
    },
  };
  const config = {
    baseUrl: 'http://test/',
    polling: 'manual',
    clock: given.clock,
    transport: given.transport,
  };
  return { given, timers, config };
}

const bundledOf = (name) => {
  const { version, bootstrap } = store.named(name);
  return { version, bootstrap };
};

/** A storage whose writes by another tab are told by the test. */
function sharedStorage(values = new Map()) {
  const watchers = new Set();
  return {
    values,
    watchers,
    getItem: async (key) => values.get(key) ?? null,
    setItem: async (key, value) => void values.set(key, value),
    removeItem: async (key) => void values.delete(key),
    watch: (_, changed) => {
      watchers.add(changed);
      return () => watchers.delete(changed);
    },
  };
}

test('who has unsubscribed hears nothing more, and the others do', async () => {
  const { given, config } = world();
  const provider = createRemoteProvider(config);
  const heard = [];
  const end = provider.subscribe(() => heard.push('first'));
  provider.subscribe(() => heard.push('second'));
  const endOfErrors = provider.on('error', () => heard.push('error'));
  await provider.refresh();
  end();
  endOfErrors();
  given.published = 'two';
  await provider.refresh();
  given.published = 'one';
  assert.equal((await provider.refresh()).error.code, 'version_regressed');
  assert.deepEqual(heard, ['first', 'second', 'second']);
  provider.dispose();
});

test('who subscribes or unsubscribes while an event is told changes nothing for this event', async () => {
  const { config } = world();
  const provider = createRemoteProvider(config);
  const heard = [];
  let more = 0;
  const again = () => {
    heard.push('again');
    if (more++ < 3) provider.subscribe(again);
  };
  provider.subscribe(again);
  await provider.refresh();
  assert.deepEqual(heard, ['again']);
  provider.dispose();
});

test('who gives up waiting for a refresh is told at once; who has given up before is, too', async () => {
  const { given, config } = world();
  given.hold = true;
  const provider = createRemoteProvider(config);
  const controller = new AbortController();
  const refresh = provider.refresh({ signal: controller.signal });
  await settled();
  controller.abort();
  assert.equal((await refresh).error.code, 'aborted');
  assert.equal(provider.getStatus().state, 'refreshing');
  provider.stop();
  provider.start();
  given.signals.length = 0;
  assert.equal((await provider.refresh({ signal: AbortSignal.abort() })).error.code, 'aborted');
  assert.equal(given.signals.length, 0);
  provider.dispose();
});

for (const end of ['stop', 'dispose', 'flip']) {
  test(`a request under way is aborted by ${end}`, async () => {
    const { given, config } = world();
    given.hold = true;
    let on = true;
    const provider = createReferenceProvider({ ...config, bundled: bundledOf('one'), enabled: () => on });
    void provider.refresh();
    await settled();
    assert.deepEqual(
      given.signals.map(({ aborted }) => aborted),
      [false],
    );
    on = false;
    if (end === 'flip') await provider.waitForReady();
    else provider[end]();
    assert.equal(given.signals[0].aborted, true);
    provider.dispose();
  });
}

test('a request is aborted when it is over, so that what nobody reads is not sent', async () => {
  const { given, config } = world();
  const provider = createRemoteProvider(config);
  await provider.refresh();
  assert.ok(given.signals.length > 1 && given.signals.every(({ aborted }) => aborted));
  provider.dispose();
});

test('dispose ends whatever the provider follows', async () => {
  const { config } = world();
  const storage = sharedStorage();
  const followers = new Set();
  let on = true;
  const ended = [];
  const provider = createReferenceProvider({
    ...config,
    bundled: bundledOf('one'),
    storage: cacheIn(storage),
    enabled: {
      get: () => on,
      subscribe: (changed) => {
        followers.add(changed);
        return () => followers.delete(changed);
      },
    },
    lifecycle: () => () => ended.push('lifecycle'),
  });
  const [follower] = followers;
  assert.deepEqual([followers.size, storage.watchers.size], [1, 1]);
  provider.dispose();
  assert.deepEqual([followers.size, storage.watchers.size, ended], [0, 0, ['lifecycle']]);
  // A flag that goes on telling finds nobody.
  on = false;
  follower();
  assert.equal(provider.kind, 'remote');
  for (const call of ['getVersion', 'getBootstrap'])
    await assert.rejects(provider[call]({ allowStaleCache: true }), { code: 'disposed' });
  provider.stop();
  provider.start();
  assert.equal(provider.getStatus().state, 'stopped');
  assert.equal((await provider.refresh()).status, 'skipped');
  await assert.rejects(provider.getVersion(), { code: 'disposed' });
});

test('what another tab writes is taken, and not while stopped, hidden or behind the flag', async () => {
  const values = new Map();
  const { given, config } = world('one');
  let on = true;
  const storage = sharedStorage(values);
  const provider = createReferenceProvider({
    ...config,
    bundled: bundledOf('one'),
    storage: cacheIn(storage),
    enabled: () => on,
  });
  const other = createRemoteProvider({ ...config, storage: cacheIn(sharedStorage(values)) });
  const publish = async (name) => {
    given.published = name;
    await other.refresh();
    for (const changed of storage.watchers) changed();
    for (let turn = 0; turn < 20; turn++) await settled();
    return provider.getSnapshot().version.sequence;
  };
  await provider.refresh();
  assert.equal(await publish('two'), store.named('two').version.sequence);
  provider.stop();
  assert.equal(await publish('three'), store.named('two').version.sequence);
  provider.start();
  assert.equal(await publish('every'), store.named('every').version.sequence);
  on = false;
  await provider.getVersion();
  assert.equal(await publish('added'), store.named('one').version.sequence);
  other.dispose();
  provider.dispose();
});

for (const end of ['stop', 'flip']) {
  test(`a look into the cache that is under way, and one behind it, are dropped by ${end}`, async () => {
    const values = new Map();
    const { given, config } = world('one');
    const other = createRemoteProvider({ ...config, storage: cacheIn(sharedStorage(values)) });
    let on = true;
    const storage = sharedStorage(values);
    const provider = createReferenceProvider({
      ...config,
      bundled: bundledOf('one'),
      storage: cacheIn(storage),
      enabled: () => on,
    });
    await provider.waitForReady();
    given.published = 'two';
    await other.refresh();
    given.hold = true;
    const read = storage.getItem;
    let release;
    storage.getItem = (key) =>
      new Promise((resolve) => {
        release = () => resolve(read(key));
      });
    void provider.refresh();
    await settled();
    for (const changed of storage.watchers) changed();
    if (end === 'stop') provider.stop();
    on = end !== 'flip';
    await provider.getVersion({ allowStaleCache: true });
    storage.getItem = read;
    release?.();
    for (let turn = 0; turn < 20; turn++) await settled();
    assert.equal(provider.getSnapshot().version.sequence, 1);
    other.dispose();
    provider.dispose();
  });
}

test('work is done one piece after the other, also behind one that failed', async () => {
  const [now, later, cut] = createQueue();
  const done = [];
  let open;
  now(() => new Promise((resolve) => (open = resolve)));
  const first = later(async (isOver) => {
    done.push('first begins');
    await settled();
    done.push(`first ends, over: ${isOver()}`);
    throw new Error('first');
  });
  const second = later(async (isOver) => done.push(`second, over: ${isOver()}`));
  await settled();
  assert.deepEqual(done, []);
  cut();
  const third = later(async (isOver) => done.push(`third, over: ${isOver()}`));
  open();
  await assert.rejects(first, /first/);
  await second;
  await third;
  assert.deepEqual(done, [
    'first begins',
    'first ends, over: true',
    'second, over: true',
    'third, over: false',
  ]);
});
