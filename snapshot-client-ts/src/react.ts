// React hooks over one provider, by `useSyncExternalStore`: what a component reads belongs to one snapshot,
// also while React renders in pieces.

import { useSyncExternalStore } from 'react';
import type { ReferenceDataProvider, Status } from './provider.js';
import type { AnyTables, Snapshot } from './snapshot.js';

/** The hooks of one provider; make them once, beside the provider. */
export interface ReferenceHooks<T> {
  /** The current snapshot; renders again when there is another one. */
  useReferenceSnapshot(): Snapshot<T> | undefined;
  /** The rows of a table; empty while there is no data at all. Throws `unknown_table`. */
  useReferenceTable<K extends keyof T & string>(key: K): readonly T[K][];
  /** One row, by its primary key. Throws `unknown_table`. */
  useReferenceRow<K extends keyof T & string>(key: K, id: string | number): T[K] | undefined;
  /** The provider's condition. */
  useReferenceStatus(): Status;
}

const NO_ROWS: readonly never[] = Object.freeze([]);

/** Hooks whose keys and rows have the provider's types. */
export function createReferenceHooks<T = AnyTables>(provider: ReferenceDataProvider<T>): ReferenceHooks<T> {
  const onStatus = (changed: () => void): (() => void) => provider.on('status', changed);
  const useReferenceSnapshot = (): Snapshot<T> | undefined =>
    useSyncExternalStore(provider.subscribe, provider.getSnapshot, provider.getSnapshot);
  return {
    useReferenceSnapshot,
    useReferenceTable: (key) => useReferenceSnapshot()?.table(key) ?? NO_ROWS,
    useReferenceRow: (key, id) => useReferenceSnapshot()?.row(key, id),
    useReferenceStatus: () => useSyncExternalStore(onStatus, provider.getStatus, provider.getStatus),
  };
}
