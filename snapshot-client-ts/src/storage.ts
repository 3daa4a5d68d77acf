// Storages of browsers and apps. What they cannot give (a private window, a full disk) they throw at each
// call, which the client takes for what it is; nothing throws when it is made.

import { cacheIn } from './cache.js';
import type { CacheStorage } from './loaded.js';
import type { Storage } from './storage-api.js';

export { cacheIn } from './cache.js';
export type { CacheStorage } from './loaded.js';
export type { Storage } from './storage-api.js';

/** A storage that lasts as long as the process. */
export function memoryStorage(values: Map<string, string> = new Map()): CacheStorage {
  return cacheIn({
    getItem: (key) => values.get(key) ?? null,
    setItem: (key, value) => void values.set(key, value),
    removeItem: (key) => void values.delete(key),
  });
}

/** What React Native's AsyncStorage and its like have, in every release. */
export interface AsyncStorageLike {
  /** The value, or null. */
  getItem(key: string): Promise<string | null>;
  /** Stores a value. */
  setItem(key: string, value: string): Promise<unknown>;
  /** Removes a value. */
  removeItem(key: string): Promise<unknown>;
}

/** The browser's `localStorage`: about 5 MB, shared by all tabs, read before the first frame. */
export function webStorage(storage: () => globalThis.Storage = () => globalThis.localStorage): CacheStorage {
  return withLocks({
    // Asked each time: where cookies are blocked, even naming it throws.
    getItem: (key) => storage().getItem(key),
    setItem: (key, value) => storage().setItem(key, value),
    removeItem: (key) => storage().removeItem(key),
    watch: (key, changed) => {
      const listener = (event: StorageEvent): void => {
        if (event.key === key) changed();
      };
      globalThis.addEventListener?.('storage', listener);
      return () => globalThis.removeEventListener?.('storage', listener);
    },
  });
}

/** React Native's AsyncStorage, or what has its three methods. */
export function asyncStorage(storage: AsyncStorageLike): CacheStorage {
  return cacheIn(storage);
}

/** IndexedDB: room for large data sets, shared by all tabs. */
export function indexedDbStorage(name = 'tablecast'): CacheStorage {
  const store = 'values';
  let opening: Promise<IDBDatabase> | undefined;
  const open = (): Promise<IDBDatabase> => {
    opening ??= openDatabase(name, store).then((database) => {
      // Another release of the app, or a user who clears the data: open it anew then.
      database.onversionchange = () => database.close();
      database.onclose = () => {
        opening = undefined;
      };
      return database;
    });
    opening.catch(() => {
      opening = undefined;
    });
    return opening;
  };
  const within = async <T>(
    mode: IDBTransactionMode,
    run: (values: IDBObjectStore) => IDBRequest<T>,
  ): Promise<T> => {
    const transaction = (await open()).transaction(store, mode);
    return new Promise<T>((resolve, reject) => {
      const request = run(transaction.objectStore(store));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error ?? request.error);
      transaction.onerror = () => reject(transaction.error ?? request.error);
    });
  };
  const channel =
    typeof BroadcastChannel === 'function' ? new BroadcastChannel(`${name}-written`) : undefined;
  // In Node it would keep the program from ending.
  (channel as { unref?: () => void } | undefined)?.unref?.();
  return withLocks({
    getItem: (key) => within('readonly', (values) => values.get(key) as IDBRequest<string | undefined>),
    setItem: async (key, value) => {
      await within('readwrite', (values) => values.put(value, key));
      channel?.postMessage(key);
    },
    removeItem: (key) => within('readwrite', (values) => values.delete(key)),
    watch: (key, changed) => {
      const listener = (event: MessageEvent): void => {
        if (event.data === key) changed();
      };
      channel?.addEventListener('message', listener);
      return () => channel?.removeEventListener('message', listener);
    },
  });
}

function openDatabase(name: string, store: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => void request.result.createObjectStore(store);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () =>
      reject(new Error(`another tab has the database ${name} open at an older version`));
  });
}

function withLocks(storage: Storage): CacheStorage {
  const locks = (globalThis.navigator as { locks?: LockManager } | undefined)?.locks;
  if (!locks) return cacheIn(storage);
  return cacheIn({
    ...storage,
    lock: <R>(name: string, work: () => Promise<R>): Promise<R> => locks.request(name, work) as Promise<R>,
  });
}
