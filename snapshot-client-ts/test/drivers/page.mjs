// The driver within a browser's page; `browser.mjs` is its other half.

import { fetchTransport } from '../../dist/index.js';
import { indexedDbStorage, webStorage } from '../../dist/storage.js';
import { createSession } from './session.mjs';

const kinds = { indexeddb: newIndexedDb, localstorage: newLocalStorage };

async function newIndexedDb(run) {
  const name = `tablecast-${run}`;
  const done = (request) =>
    new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  const values = async (mode) => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore('values');
    const database = await done(request);
    database.onversionchange = () => database.close();
    return database.transaction('values', mode).objectStore('values');
  };
  return {
    storage: indexedDbStorage(name),
    keys: async () => done((await values('readonly')).getAllKeys()),
    wipe: async () => done((await values('readwrite')).clear()),
    close: () => done(indexedDB.deleteDatabase(name)),
  };
}

async function newLocalStorage() {
  localStorage.clear();
  return {
    storage: webStorage(),
    keys: () => Object.keys(localStorage),
    wipe: () => localStorage.clear(),
  };
}

/** Begins a session; `send` is the other half's. */
globalThis.begin = (kind) => {
  const { port1, port2 } = new MessageChannel();
  const turns = [];
  port1.onmessage = () => turns.shift()();
  const session = createSession({
    capabilities: ['streaming', 'sockets'],
    newStorage: kinds[kind],
    transport: fetchTransport(),
    send: (message) => globalThis.send(JSON.stringify(message)),
    turn: () =>
      new Promise((resolve) => {
        turns.push(resolve);
        port2.postMessage(null);
      }),
  });
  globalThis.handle = (line) => void session.handle(JSON.parse(line));
};
