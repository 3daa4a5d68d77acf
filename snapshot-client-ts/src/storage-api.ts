import type { MaybePromise } from './maybe-promise.js';

/** Where texts are stored by key; `localStorage` and React Native's AsyncStorage are such storages as they are. */
export interface Storage {
  /** The value, or null. */
  getItem(key: string): MaybePromise<string | null | undefined>;
  /** Stores a value, whole or not at all. */
  setItem(key: string, value: string): MaybePromise<unknown>;
  /** Removes a value, which may not be there. */
  removeItem(key: string): MaybePromise<unknown>;
  /** Runs work while no other process does, where the platform can tell. */
  lock?<R>(name: string, work: () => Promise<R>): Promise<R>;
  /** Calls back when another process has written this key; returns the end of that. */
  watch?(key: string, changed: () => void): () => void;
}
