// The driver within a Hermes VM; `hermes.mjs` is its other half.
//
// A VM is not React Native: it has no fetch, no AbortController, no TextEncoder. The first two are put in here as
// React Native has them; the third comes from the package, as for older releases.

import '../../dist/text-encoder.js';
import { createSession } from './session.mjs';

// What AsyncStorage reads back on Android.
const MAX_UNITS = 1 << 18;

globalThis.AbortController ??= class {
  constructor() {
    const listeners = [];
    this.signal = {
      aborted: false,
      addEventListener: (_, listener) => void listeners.push(listener),
      removeEventListener: () => {},
    };
    this.abort = () => {
      if (this.signal.aborted) return;
      this.signal.aborted = true;
      for (const listener of listeners) listener();
    };
  }
};

const say = (message) => print(JSON.stringify(message));
const fetches = new Map();
let nextFetch = 1;

function transport(url, _limitBytes, signal) {
  return new Promise((resolve, reject) => {
    const id = nextFetch++;
    fetches.set(id, { resolve, reject });
    signal.addEventListener('abort', () => {
      say({ abortFetch: id });
      if (fetches.delete(id)) reject(new Error('aborted'));
    });
    say({ fetch: id, url });
  });
}

/** Called by the other half when a response is there. */
globalThis.fetched = (id, response, error) => {
  const waiting = fetches.get(id);
  fetches.delete(id);
  if (!waiting) return;
  if (error) waiting.reject(new Error(error));
  else waiting.resolve(response);
};

/** As AsyncStorage is: promises, and values of a certain size. */
async function newAsyncStorage() {
  const values = new Map();
  return {
    storage: {
      getItem: async (key) => values.get(key) ?? null,
      setItem: async (key, value) => {
        if (value.length > MAX_UNITS) throw new Error('Row too big to fit into CursorWindow');
        values.set(key, value);
      },
      removeItem: async (key) => void values.delete(key),
    },
    keys: () => [...values.keys()],
    wipe: () => values.clear(),
  };
}

const session = createSession({
  capabilities: ['sockets'],
  newStorage: newAsyncStorage,
  transport,
  send: say,
  // Everything in this VM is microtasks, so some hundred of them are a turn for everybody.
  turn: async () => {
    for (let hop = 0; hop < 300; hop++) await null;
  },
});

globalThis.handle = (command) => void session.handle(command);
