import { asError, type ReferenceDataError } from './errors.js';
import type { MaybePromise } from './story.js';

/** Where texts are kept by key; `localStorage` and React Native's AsyncStorage are such storages as they are. */
export interface Storage {
  /** The value, or null. */
  getItem(key: string): MaybePromise<string | null | undefined>;
  /** Keeps a value, whole or not at all. */
  setItem(key: string, value: string): MaybePromise<unknown>;
  /** Removes a value, which may not be there. */
  removeItem(key: string): MaybePromise<unknown>;
  /** Runs work while no other process does, where the platform can tell. */
  lock?<R>(name: string, work: () => Promise<R>): Promise<R>;
  /** Calls back when another process has written this key; returns the end of that. */
  watch?(key: string, changed: () => void): () => void;
}

/** What a storage threw, as one of our errors. */
export function storageError(thrown: unknown, key: string): ReferenceDataError {
  const { name, code, message } = (thrown ?? {}) as Partial<DOMException>;
  const full = /quota|ENOSPC|EDQUOT|disk is full|no space/i.test(`${name} ${code} ${message}`);
  return asError(thrown, full ? 'storage_full' : 'storage_unavailable', key);
}
