// What stories ask for, done: requests by the transport, values by the storage, each within its time.

import { within } from './clock.js';
import type { Settings } from './config.js';
import { asError, fail, ReferenceDataError } from './errors.js';
import { type Storage, storageError } from './storage-api.js';
import { type Action, type FetchRequest, type FetchResult, isPromise, type MaybePromise } from './story.js';

/** The edge between stories and the world. */
export interface Effects {
  /** Does what a story asks for. */
  perform(action: Action): MaybePromise<unknown>;
  /** Ends the requests that are under way. */
  abort(): void;
}

// A slow phone network; a request may take as long as its bytes need there.
const BYTES_PER_SECOND = 4096;

/** Effects on this transport and storage. */
export function createEffects(config: Settings): Effects {
  const { baseUrl, prefix, transport, clock } = config;
  let storage: Storage | undefined = config.storage;
  const underWay = new Set<AbortController>();

  function access(action: Exclude<Action, { do: 'fetch' }>): MaybePromise<unknown> {
    if (!storage) return action.do === 'read' ? null : fail('storage_unavailable', 'there is no storage');
    const key = prefix + action.key;
    const rethrow = (thrown: unknown): never => {
      throw storageError(thrown, key);
    };
    try {
      const result = ask(storage, action, key);
      if (!isPromise(result)) return result;
      return within(clock, config.storageTimeoutMs, result, () => {
        // It may never answer again, and every further question would wait as long.
        storage = undefined;
        return new ReferenceDataError('storage_unavailable', `no answer for ${key}`);
      }).catch(rethrow);
    } catch (thrown) {
      return rethrow(thrown);
    }
  }

  async function fetchOne({ path, limitBytes, again }: FetchRequest): Promise<FetchResult> {
    const url = baseUrl + path + (again ? `?again=${Math.floor(clock.random() * 1e9)}` : '');
    const timeoutMs = config.requestTimeoutMs + (limitBytes / BYTES_PER_SECOND) * 1000;
    const controller = new AbortController();
    underWay.add(controller);
    try {
      return await within(clock, timeoutMs, transport(url, limitBytes, controller.signal), () => {
        controller.abort();
        return new ReferenceDataError('timeout', `${url}: nothing within ${Math.round(timeoutMs)} ms`);
      });
    } catch (thrown) {
      return asError(thrown, 'network', url);
    } finally {
      underWay.delete(controller);
    }
  }

  return {
    perform: (action) =>
      action.do === 'fetch' ? Promise.all(action.requests.map(fetchOne)) : access(action),
    abort: () => {
      for (const controller of underWay) controller.abort();
    },
  };
}

function ask(storage: Storage, action: Exclude<Action, { do: 'fetch' }>, key: string): MaybePromise<unknown> {
  if (action.do === 'read') return storage.getItem(key);
  return action.do === 'write' ? storage.setItem(key, action.value) : storage.removeItem(key);
}
