// The driver of the conformance kit, without the platform: commands in, replies and events out.
//
// The platform gives the storage, the transport and `send`; clocks and timers are ours, so no scenario sleeps.

import { createReferenceProvider, createRemoteProvider } from '../../dist/index.js';
import { cacheIn } from '../../dist/storage.js';
import { damage, readStored } from './stored.mjs';

/**
 * A driver's session.
 *
 * `platform.newStorage(run)` makes what a scenario's device has, `platform.transport` gets a URL,
 * `platform.send` takes a line, `platform.turn` resolves when everything that waits has had its turn.
 */
export function createSession(platform) {
  const { send } = platform;
  let clients = new Map();
  let device;
  let storage;
  let now = 1000;
  let wallAhead = 0;
  let random = 0.5;
  let timers = [];
  // Of one scenario: what an earlier one left behind counts for that.
  let counts = { sent: 0, inFlight: 0 };
  let busy = 0;
  // Of those, who wait for a lock; of one scenario, too.
  let waiting = { count: 0 };
  const idle = [];
  let held = [];
  let order = newOrder();

  const realNow = Date.now;
  Date.now = () => realNow() + wallAhead;

  const work = () => send({ event: 'work' });
  // Who waits for a lock that a held client has waits for the kit, not for us.
  const working = () => busy - (held.length > 0 ? waiting.count : 0);
  const rest = () => {
    if (working() === 0) for (const resolve of idle.splice(0)) resolve();
  };
  const done = () => {
    busy--;
    rest();
    work();
  };

  // --- what a client is given ---

  const clockOf = (client) => ({
    now: () => now,
    random: () => random,
    setTimer: (callback, ms, idle) => {
      const timer = { at: now + Math.max(0, ms), callback, client, idle };
      if (!client.dead) timers.push(timer);
      return timer;
    },
    clearTimer: (timer) => {
      timers = timers.filter((each) => each !== timer);
    },
  });

  const transportOf = (client) => (url, limitBytes, signal) => {
    const own = counts;
    own.sent++;
    own.inFlight++;
    work();
    const ended = (value) => {
      own.inFlight--;
      work();
      return client.dead ? never() : value;
    };
    return platform.transport(url, limitBytes, signal).then(ended, async (error) => {
      await ended();
      throw error;
    });
  };

  /** The device's storage with the faults that the scenario orders; a dead client's hand is stopped. */
  const storageOf = (client) => {
    const access = (verb, key, run) => {
      if (client.dead) return never();
      const writes = verb !== 'getItem';
      if (writes) order.writes++;
      const due =
        order.how &&
        (order.on === 'write' ? writes : order.on === 'read' ? !writes : true) &&
        (!order.key || key.endsWith(`/${order.key}`)) &&
        (!writes || order.writes > order.after);
      if (due) {
        switch (order.how) {
          case 'full':
            throw Object.assign(new Error('the quota has been exceeded'), { name: 'QuotaExceededError' });
          case 'denied':
            throw Object.assign(new Error('access is denied'), { name: 'SecurityError' });
          case 'hang':
            return never();
          case 'kill':
            killClient(client);
            return never();
          case 'hold':
            // Others go on meanwhile.
            if (order.client && order.client !== client.name) break;
            return new Promise((resolve) => {
              held.push(resolve);
              rest();
            }).then(() => access(verb, key, run));
        }
      }
      const result = run();
      if (typeof result?.then !== 'function') return result;
      busy++;
      return result.then(
        (value) => {
          done();
          return client.dead ? never() : value;
        },
        (error) => {
          done();
          throw error;
        },
      );
    };
    const wrapped = {
      getItem: (key) => access('getItem', key, () => storage.getItem(key)),
      setItem: (key, value) => access('setItem', key, () => storage.setItem(key, value)),
      removeItem: (key) => access('removeItem', key, () => storage.removeItem(key)),
    };
    if (storage.watch) wrapped.watch = (key, changed) => storage.watch(key, changed);
    if (storage.lock) {
      // A process that dies lets go of its locks. Waiting for one is work; holding it is what is done with it.
      wrapped.lock = (name, run) => {
        busy++;
        const queue = waiting;
        let waits = true;
        queue.count++;
        rest();
        const granted = () => {
          if (waits) queue.count--;
          waits = false;
        };
        const locked = storage.lock(name, () => {
          granted();
          done();
          return Promise.race([run(), client.death]).finally(() => busy++);
        });
        return locked
          .finally(() => {
            granted();
            done();
          })
          .catch((error) => (client.dead ? never() : Promise.reject(error)));
      };
    }
    return wrapped;
  };

  // --- the clients ---

  function create({ client: name, baseUrl, storage: where, config, bundled, flag }) {
    const client = { name, dead: false, aborts: new Map() };
    client.death = new Promise((_, reject) => {
      client.die = () => reject(new Error('killed'));
    });
    client.death.catch(() => {});
    const settings = {
      ...config,
      baseUrl,
      clock: clockOf(client),
      transport: transportOf(client),
      ...(bundled && { bundled }),
      ...(where === 'device' && { storage: cacheIn(storageOf(client)) }),
    };
    if (flag === undefined) {
      client.provider = createRemoteProvider(settings);
    } else {
      client.flag = { value: flag, changed: () => {} };
      const enabled = {
        get: () => {
          if (client.flag.value === 'throws') throw new Error('the flags are not there');
          return client.flag.value;
        },
        subscribe: (changed) => {
          client.flag.changed = changed;
          return () => {};
        },
      };
      client.provider = createReferenceProvider({ ...settings, enabled });
    }
    listen(client);
    clients.set(name, client);
  }

  function listen(client) {
    const { name, provider } = client;
    const tell = (event, more) => client.dead || send({ event, client: name, ...more });
    provider.on('ready', () => tell('ready'));
    provider.on('change', ({ changedTables }) => tell('change', { changedTables }));
    provider.on('error', ({ code }) => tell('error', { code }));
    provider.on('recovered', () => tell('recovered'));
    provider.on('updateRequired', () => tell('updateRequired'));
  }

  function killClient(client) {
    client.dead = true;
    timers = timers.filter((timer) => timer.client !== client);
    client.die();
    clients.delete(client.name);
  }

  function report(client, as, promise) {
    promise.then(
      (value) => client.dead || send({ event: 'result', client: client.name, as, value }),
      (error) =>
        client.dead || send({ event: 'result', client: client.name, as, error: error.code ?? String(error) }),
    );
  }

  function look(client) {
    const { name, provider } = client;
    const snapshot = provider.getSnapshot();
    const status = provider.getStatus();
    const polls = timers.filter((timer) => timer.client.name === name && timer.idle);
    return {
      version: snapshot?.version,
      source: snapshot?.source,
      // All rows, once for each snapshot.
      ...(snapshot !== client.looked && { tables: tablesOf(snapshot) }),
      kind: provider.kind,
      status: {
        state: status.state,
        ready: status.ready,
        failures: status.failures,
        updateRequired: status.updateRequired,
      },
      timers: polls.length,
      nextRefreshMs: polls.length > 0 ? Math.round(polls[0].at - now) : undefined,
      sameSnapshot: snapshot === provider.getSnapshot() && provider.getStatus() === status,
    };
  }

  // --- the commands ---

  const the = (name) => clients.get(name) ?? fail(`there is no client "${name}"`);
  const commands = {
    hello: () => ({ capabilities: platform.capabilities }),
    reset: async ({ run }) => {
      for (const client of [...clients.values()]) killClient(client);
      clients = new Map();
      timers = [];
      order = newOrder();
      held = [];
      wallAhead = 0;
      random = 0.5;
      counts = { sent: 0, inFlight: 0 };
      busy = 0;
      waiting = { count: 0 };
      await device?.close?.();
      device = await platform.newStorage(run);
      storage = device.storage;
    },
    create,
    kill: ({ client }) => killClient(the(client)),
    refresh: ({ client: name, as }) => {
      const client = the(name);
      const controller = new AbortController();
      client.aborts.set(as, controller);
      report(client, as, client.provider.refresh({ signal: controller.signal }).then(resultOf));
    },
    abort: ({ client, as }) => the(client).aborts.get(as).abort(),
    read: ({ client: name, as, table, ...options }) => {
      const client = the(name);
      const { provider } = client;
      const reading =
        table !== undefined
          ? provider.getTable(table, options).then((rows) => rows.length)
          : provider.getVersion(options).then(({ sequence }) => sequence);
      report(client, as, reading);
    },
    ready: ({ client: name, as, ...options }) =>
      report(the(name), as, the(name).provider.waitForReady(options)),
    start: ({ client }) => the(client).provider.start(),
    stop: ({ client }) => the(client).provider.stop(),
    dispose: ({ client }) => the(client).provider.dispose(),
    active: ({ client, is }) => the(client).provider.setActive(is),
    online: ({ client, is }) => the(client).provider.setOnline(is),
    flag: ({ client, value }) => {
      const { flag } = the(client);
      flag.value = value;
      flag.changed();
    },
    mutate: ({ client, table }) => {
      const rows = the(client).provider.getSnapshot().table(table);
      for (const change of [() => rows.push({}), () => (rows[0].id = 'x')]) {
        try {
          change();
        } catch {
          // As it should be.
        }
      }
    },
    throwAt: ({ client, event }) => {
      the(client).provider.on(event, () => {
        throw new Error('a listener that throws');
      });
    },
    storage: async (given) => {
      if (given.wipe) await device.wipe();
      else if (given.heal) {
        order = newOrder();
        for (const resolve of held.splice(0)) resolve();
      } else if (given.damage) await damage(device, given);
      else order = { ...newOrder(), ...given };
    },
    wall: ({ ms }) => {
      wallAhead += ms;
    },
    random: ({ value }) => {
      random = value;
    },
    advance: ({ ms }) => {
      const next = Math.min(now + ms, ...timers.map(({ at }) => at));
      const passed = Math.max(next - now, 0);
      now += passed;
      fire();
      return { ms: passed };
    },
    sleep: ({ ms }) => {
      now += ms;
      fire();
    },
    settle: async () => {
      do {
        fire();
        await platform.turn();
        if (working() > 0) await new Promise((resolve) => idle.push(resolve));
      } while (working() > 0 || timers.some(({ at }) => at <= now));
      return { ...counts };
    },
    look: async ({ stored }) => ({
      clients: Object.fromEntries(
        [...clients].map(([name, client]) => {
          const seen = look(client);
          client.looked = client.provider.getSnapshot();
          return [name, seen];
        }),
      ),
      ...(stored && { stored: await readStored(device) }),
    }),
  };

  function fire() {
    const due = timers.filter(({ at }) => at <= now).sort((a, b) => a.at - b.at);
    timers = timers.filter(({ at }) => at > now);
    for (const { callback } of due) callback();
  }

  return {
    /** Performs one command and sends its reply. */
    async handle({ id, do: name, ...command }) {
      try {
        const reply = await (commands[name] ?? fail(`no command is called "${name}"`))(command);
        send({ reply: id, ...reply });
      } catch (error) {
        send({ reply: id, failed: `${error.message}\n${error.stack}` });
      }
    },
  };
}

function newOrder() {
  return { how: undefined, on: 'any', after: 0, key: undefined, client: undefined, writes: 0 };
}

function tablesOf(snapshot) {
  const tables = {};
  for (const key of snapshot?.tableKeys ?? []) tables[key] = snapshot.table(key);
  return tables;
}

function resultOf({ status, version, changedTables, error }) {
  return {
    status,
    ...(version && { sequence: version.sequence }),
    changedTables,
    ...(error && { error: error.code }),
  };
}

function never() {
  return new Promise(() => {});
}

function fail(message) {
  throw new Error(message);
}
