// The driver within a Hermes VM; `hermes.mjs` is its other half.
//
// A VM is not React Native: it has no XMLHttpRequest, no AbortController, no TextEncoder. The first two are put in here as
// React Native has them; the third comes from the package, as for older releases.

import '../../dist/text-encoder.js';
import { xhrTransport } from '../../dist/xhr.js';
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
const requests = new Map();
let nextRequest = 1;

/** As React Native has it: progress is told, and the text is there at the end. */
globalThis.XMLHttpRequest ??= class {
  open(_, url) {
    this.url = url;
  }
  send() {
    this.id = nextRequest++;
    requests.set(this.id, this);
    say({ fetch: this.id, url: this.url });
  }
  abort() {
    if (!requests.delete(this.id)) return;
    say({ abortFetch: this.id });
    this.onabort();
  }
  getResponseHeader(name) {
    return this.headers[name];
  }
};

/** Called by the other half when so many bytes have come. */
globalThis.progressed = (id, loaded, response) => {
  const request = requests.get(id);
  if (request) Object.assign(request, response).onprogress({ loaded });
  say({ progressSeen: id });
};

/** Called by the other half when a response is there, or none will be. */
globalThis.fetched = (id, response) => {
  const request = requests.get(id);
  requests.delete(id);
  if (!request) return;
  if (response) Object.assign(request, response).onload();
  else request.onerror();
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
  capabilities: ['streaming', 'sockets'],
  newStorage: newAsyncStorage,
  transport: xhrTransport(),
  send: say,
  // Everything in this VM is microtasks, so some hundred of them are a turn for everybody.
  turn: async () => {
    for (let hop = 0; hop < 300; hop++) await null;
  },
});

globalThis.handle = (command) => void session.handle(command);
