// A server that tells of new versions makes the client refresh, while it would poll and only then. What a browser and
// snapshot-server make of it is in end-to-end.test.mjs.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test as anyTest } from 'node:test';
import { startServer } from '../../tests/conformance/kit/server.mjs';
import { readStore } from '../../tests/conformance/kit/store.mjs';
import { followEvents } from '../dist/events.js';
import { createReferenceProvider, createRemoteProvider } from '../dist/index.js';
import { PATIENT } from './patient.mjs';

const store = readStore();
// What does not come would otherwise be waited for without end.
const test = (name, run) => anyTest(name, { timeout: 60_000 }, run);

/** The platform's EventSource as far as it goes: a request that stays open, and events of a name and a line. */
class FetchedEventSource {
  readyState = 0;
  #listeners = new Map();
  #aborter = new AbortController();

  constructor(url) {
    this.#read(url).catch(() => this.close());
  }
  async #read(url) {
    const { body } = await fetch(url, { signal: this.#aborter.signal });
    let text = '';
    for await (const part of body.pipeThrough(new TextDecoderStream())) {
      text += part;
      const messages = text.split('\n\n');
      text = messages.pop();
      for (const message of messages) {
        const [, event, data] = /^event: (.*)\ndata: (.*)$/.exec(message) ?? [];
        this.#listeners.get(event)?.({ data });
      }
    }
  }
  addEventListener(name, listener) {
    this.#listeners.set(name, listener);
  }
  close() {
    this.readyState = 2;
    this.#aborter.abort();
  }
}

/** One that counts how many there are, and says what it is told to. */
function countedSource() {
  return class Counted {
    static open = 0;
    static made = [];
    readyState = 0;
    constructor() {
      Counted.open++;
      Counted.made.push(this);
    }
    addEventListener(_, listener) {
      this.listener = listener;
    }
    close() {
      Counted.open--;
    }
  };
}

/** A store on one server, what tells of it on another. */
async function serving(t, name) {
  const server = await startServer(store);
  server.state.published = name;
  const listeners = new Set();
  const telling = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    listeners.add(response);
    telling.emit('listener');
  }).listen(0, '127.0.0.1');
  const listener = once(telling, 'listener');
  await once(telling, 'listening');
  t.after(async () => {
    telling.closeAllConnections();
    telling.close();
    await server.close();
  });
  return {
    server,
    listener,
    baseUrl: `http://127.0.0.1:${server.port}/run`,
    eventsUrl: `http://127.0.0.1:${telling.address().port}/events`,
    tell(name) {
      for (const response of listeners) response.write(`event: version\ndata: ${store.named(name).text}\n\n`);
    },
  };
}

/** Resolves when this version is current. */
const isCurrent = (provider, name) =>
  new Promise((resolve) => {
    const look = () =>
      provider.getSnapshot()?.version.sequence === store.named(name).version.sequence && resolve();
    provider.subscribe(look);
    look();
  });

test('a new version is current when the server tells of it, and what is known is not asked for', async (t) => {
  const { server, listener, baseUrl, eventsUrl, tell } = await serving(t, 'one');
  const provider = createRemoteProvider({ ...PATIENT, baseUrl });
  t.after(() => provider.dispose());
  t.after(followEvents(provider, eventsUrl, FetchedEventSource));
  await listener;
  await isCurrent(provider, 'one');
  await provider.refresh();
  server.state.requests.length = 0;
  tell('one');
  server.state.published = 'three';
  tell('three');
  tell('one');
  await isCurrent(provider, 'three');
  assert.deepEqual(
    server.state.requests.filter((label) => label.startsWith('version.json')),
    ['version.json?again'],
  );
});

test('a refresh that asked too early is followed by another', async (t) => {
  const { server, baseUrl } = await serving(t, 'one');
  const Source = countedSource();
  const provider = createRemoteProvider({ ...PATIENT, baseUrl });
  t.after(() => provider.dispose());
  t.after(followEvents(provider, `${baseUrl}/events`, Source));
  await provider.refresh();
  // It is answered later, with what was published when it came.
  server.state.faults.push({ on: 'version.json', do: 'hold', times: 1 });
  server.state.requests.length = 0;
  const early = provider.refresh();
  while (server.state.requests.length === 0) await server.changed(server.state.moment);
  server.state.published = 'two';
  Source.made[0].listener({ data: store.named('two').text });
  server.release();
  await early;
  await isCurrent(provider, 'two');
});

test('nobody listens in the background, without network, stopped, or with the flag off', async (t) => {
  const { baseUrl } = await serving(t, 'one');
  const { version, bootstrap } = store.named('one');
  const Source = countedSource();
  let changed;
  const flag = {
    value: false,
    get: () => flag.value,
    subscribe: (given) => {
      changed = given;
      return () => {};
    },
  };
  const provider = createReferenceProvider({
    baseUrl,
    bundled: { version, bootstrap },
    enabled: flag,
    polling: 'manual',
  });
  const turn = (value) => {
    flag.value = value;
    changed();
  };
  const end = followEvents(provider, `${baseUrl}/events`, Source);
  await provider.waitForReady();
  const seen = [];
  const see = (what) => seen.push(`${what}: ${Source.open}`);
  see('off');
  turn(true);
  see('on');
  turn('true');
  see('not quite on');
  turn(true);
  provider.setActive(false);
  see('background');
  provider.setActive(true);
  see('foreground');
  provider.setOnline(false);
  see('offline');
  provider.setOnline(true);
  see('online');
  provider.stop();
  see('stopped');
  provider.start();
  see('started');
  provider.dispose();
  see('disposed');
  end();
  assert.deepEqual(seen, [
    'off: 0',
    'on: 1',
    'not quite on: 0',
    'background: 0',
    'foreground: 1',
    'offline: 0',
    'online: 1',
    'stopped: 0',
    'started: 1',
    'disposed: 0',
  ]);
});

test('a connection that was given up is opened again with the next poll', async (t) => {
  const { baseUrl } = await serving(t, 'one');
  const Source = countedSource();
  const provider = createRemoteProvider({ ...PATIENT, baseUrl });
  t.after(() => provider.dispose());
  t.after(followEvents(provider, `${baseUrl}/events`, Source));
  await provider.refresh();
  assert.equal(Source.made.length, 1);
  // A browser gives up for good where the status is not 200: so many listen already.
  Source.made[0].readyState = 2;
  await provider.refresh();
  assert.deepEqual([Source.made.length, Source.open], [2, 1]);
});

test('where there is no EventSource, nothing happens', async (t) => {
  const { baseUrl } = await serving(t, 'one');
  const provider = createRemoteProvider({ ...PATIENT, baseUrl });
  t.after(() => provider.dispose());
  const end = followEvents(provider, `${baseUrl}/events`, undefined);
  assert.equal((await provider.refresh()).status, 'updated');
  end();
});
