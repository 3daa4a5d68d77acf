// Whatever fails, in whatever order: only what was published is ever current, a version never goes back, there is always what
// is bundled, and reaches the newest version once the faults stop.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { readStore } from '../../tests/conformance/kit/store.mjs';
import { compareOrder, createRemoteProvider } from '../dist/index.js';
import { cacheIn, memoryStorage } from '../dist/storage.js';

const store = readStore();
// In their order. The schema of "major" is one that the client does not know.
const NAMES = [
  'one',
  'two',
  'three',
  'every',
  'added',
  'removed',
  'minor',
  'major',
  'rolled-back',
  'after-major',
  'rebuilt',
  'rebuilt-next',
].map((name) => store.named(name));

const RUNS = Number(process.env.TABLECAST_PROPERTY_RUNS ?? 150);

/** The world around a client: a server, a network, a device, and a clock; faults come from a list. */
class World {
  published = 0;
  now = 0;
  timers = new Set();
  values = new Map();
  inFlight = 0;
  faults = [];
  storageFaults = [];

  clock = {
    now: () => this.now,
    random: () => 0.5,
    setTimer: (callback, ms) => {
      const timer = { at: this.now + ms, callback };
      this.timers.add(timer);
      return timer;
    },
    clearTimer: (timer) => this.timers.delete(timer),
  };

  transport = async (url, limitBytes, signal) => {
    const path = new URL(url).pathname.slice(1);
    const version = path === 'version.json';
    const body = version ? Buffer.from(NAMES[this.published].text) : store.read(path);
    const [kind, amount] = this.faults.shift() ?? ['none', 0];
    await null;
    switch (kind) {
      case 'lost':
        throw new Error('connection lost');
      case 'hangs':
        return new Promise((_, reject) =>
          signal.addEventListener('abort', () => reject(new Error('aborted'))),
        );
      case 'status':
        return { status: [404, 410, 403, 500, 503, 304][amount % 6], body: '', retryAfter: String(amount) };
      case 'page':
        return { status: 200, body: '<!doctype html>' };
      case 'flipped': {
        // A version has no hash: what is damaged and still a version, nobody can tell.
        if (version) return { status: 200, body: body.subarray(1) };
        const damaged = Buffer.from(body);
        damaged[amount % damaged.length] ^= 1 << (amount % 8);
        return { status: 200, body: damaged };
      }
      case 'cut':
        return { status: 200, body: body.subarray(0, amount % body.length) };
      case 'long':
        return { status: 200, body: Buffer.concat([body, Buffer.alloc(amount + 1, 32)]) };
      case 'old':
        return { status: 200, body: version ? NAMES[amount % (this.published + 1)].text : body };
      default:
        return { status: 200, body: body.length > limitBytes ? body.subarray(0, limitBytes + 1) : body };
    }
  };

  storage() {
    const inner = memoryStorage(this.values);
    const process = { dead: false };
    const access = async (run) => {
      const fault = this.storageFaults.shift();
      if (fault === 'kill') process.dead = true;
      if (process.dead || fault === 'hang') return new Promise(() => {});
      if (fault === 'full') throw Object.assign(new Error('quota'), { name: 'QuotaExceededError' });
      return run();
    };
    return {
      process,
      getItem: (key) => access(() => inner.getItem(key)),
      setItem: (key, value) => access(() => inner.setItem(key, value)),
      removeItem: (key) => access(() => inner.removeItem(key)),
    };
  }

  /** Lets everything have its turn, then time pass, timer by timer. */
  async advance(ms) {
    const end = this.now + ms;
    for (;;) {
      for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
      const next = [...this.timers].sort((a, b) => a.at - b.at)[0];
      if (!next || next.at > end) break;
      this.now = Math.max(this.now, next.at);
      this.timers.delete(next);
      next.callback();
    }
    this.now = end;
  }
}

const fault = fc.tuple(
  fc.constantFrom('none', 'none', 'lost', 'hangs', 'status', 'page', 'flipped', 'cut', 'long', 'old'),
  fc.nat(5000),
);
const storageFault = fc.constantFrom(undefined, undefined, undefined, 'full', 'hang', 'kill');
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('publish'), ahead: fc.integer({ min: 1, max: 3 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('network'), faults: fc.array(fault, { maxLength: 12 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('device'), faults: fc.array(storageFault, { maxLength: 25 }) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('advance'), ms: fc.integer({ min: 1000, max: 900_000 }) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('restart') }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('damage'), at: fc.nat(1000) }) },
);

async function play(steps, bundled) {
  const world = new World();
  let client;
  let process;
  let before;
  let healthy = true;
  const begin = () => {
    const storage = world.storage();
    process = storage.process;
    client = createRemoteProvider({
      baseUrl: 'http://store.example/',
      clock: world.clock,
      transport: world.transport,
      storage: cacheIn(storage),
      ...(bundled && { bundled: { version: NAMES[0].version, bootstrap: NAMES[0].bootstrap } }),
    });
  };
  const check = () => {
    const snapshot = client.getSnapshot();
    if (bundled) assert.ok(snapshot, 'what is bundled is always there');
    if (!snapshot) return;
    const published = NAMES.find(({ version }) => isDeepStrictEqual(version, snapshot.version));
    assert.ok(published, 'only a published version is current');
    const tables = Object.fromEntries(snapshot.tableKeys.map((key) => [key, snapshot.table(key)]));
    assert.deepEqual(tables, published.tables, 'rows are those that were published');
    if (before) assert.ok(compareOrder(snapshot.version, before) >= 0, 'a version never goes back');
    before = snapshot.version;
  };
  begin();
  for (const each of steps) {
    switch (each.do) {
      case 'publish':
        world.published = Math.min(world.published + each.ahead, NAMES.length - 1);
        break;
      case 'network':
        world.faults = [...each.faults];
        break;
      case 'device':
        world.storageFaults = [...each.faults];
        healthy = false;
        break;
      case 'advance':
        await world.advance(each.ms);
        break;
      case 'damage': {
        const keys = [...world.values.keys()];
        const key = keys[each.at % keys.length];
        if (key)
          world.values.set(
            key,
            world.values.get(key).replace(/[a-z0-9]/, (c) => (c === '0' ? '1' : '0')),
          );
        healthy = false;
        break;
      }
      case 'restart':
        process.dead = true;
        world.timers.clear();
        // A device that loses what it was given may have less after a restart, and only such a one.
        if (!healthy) before = undefined;
        world.storageFaults = [];
        begin();
        await world.advance(1);
    }
    if (process.dead) {
      world.timers.clear();
      before = healthy ? before : undefined;
      begin();
      await world.advance(1);
    }
    check();
  }
  world.faults = [];
  world.storageFaults = [];
  // Behind the longest that a server may ask us to wait.
  await world.advance(2 * 3_600_000);
  check();
  const newest = NAMES[world.published];
  if (newest.name !== 'major')
    assert.deepEqual(client.getSnapshot()?.version, newest.version, 'the newest is reached');
  client.dispose();
}

for (const bundled of [true, false]) {
  test(`faults of every kind, ${bundled ? 'with' : 'without'} a bundled snapshot`, async () => {
    const property = fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 30 }), (steps) =>
      play(steps, bundled),
    );
    await fc.assert(property, { numRuns: RUNS, endOnFailure: false });
  });
}
