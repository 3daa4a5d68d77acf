// What the cache asks for, done by a storage, each within its time.

import { blake3 } from './blake3.js';
import { within } from './clock.js';
import { asError, fail, ReferenceDataError } from './errors.js';
import type { CacheOwner } from './loaded.js';
import { isPromise, type MaybePromise } from './maybe-promise.js';
import type { Action } from './steps.js';
import type { Storage } from './storage-api.js';
import { encode } from './text.js';

/** The keys of one source in a storage. */
export interface Access {
  /** Of every key. */
  readonly prefix: string;
  /** Does what steps ask for. */
  access(action: Action): MaybePromise<unknown>;
}

/** Access to a storage, for this owner. */
export function createAccess(given: Storage, { config, clock }: CacheOwner): Access {
  const { baseUrl, namespace, storageTimeoutMs = 5_000 } = config;
  const prefix = `tablecast/${namespace ?? blake3(encode(baseUrl.replace(/\/*$/, '/'))).slice(0, 16)}/`;
  let storage: Storage | undefined = given;

  function access(action: Action): MaybePromise<unknown> {
    if (!storage) return action.do === 'read' ? null : fail('storage_unavailable', prefix);
    const key = prefix + action.key;
    const rethrow = (thrown: unknown): never => {
      throw storageError(thrown, key);
    };
    try {
      const result = ask(storage, action, key);
      if (!isPromise(result)) return result;
      return within(clock, storageTimeoutMs, result, () => {
        // It may never answer again, and every further question would wait as long.
        storage = undefined;
        return new ReferenceDataError('storage_unavailable', `no answer for ${key}`);
      }).catch(rethrow);
    } catch (thrown) {
      return rethrow(thrown);
    }
  }

  return { prefix, access };
}

/** What a storage threw, as one of our errors. */
export function storageError(thrown: unknown, key: string): ReferenceDataError {
  const { name, code, message } = (thrown ?? {}) as Partial<DOMException>;
  const full = /quota|ENOSPC|EDQUOT|disk is full|no space/i.test(`${name} ${code} ${message}`);
  return asError(thrown, full ? 'storage_full' : 'storage_unavailable', key);
}

function ask(storage: Storage, action: Action, key: string): MaybePromise<unknown> {
  if (action.do === 'read') return storage.getItem(key);
  return action.do === 'write' ? storage.setItem(key, action.value) : storage.removeItem(key);
}
