// What a provider is at, and what follows from that. No effects.

import type { ReadyState, State, Status } from './provider.js';
import type { Snapshot } from './snapshot.js';

/** How the app has ended it; nothing while it runs. */
export type End = 'stopped' | 'disposed' | undefined;

/** The look at what is on the device that is under way: the first one, or one after a flip of the flag. */
export type Look = 'first' | 'again' | undefined;

/** What it is at: the first of these that is so, in the order in which they stand. */
export function stateOf(is: Readonly<Partial<Record<State, unknown>>>): State {
  return (Object.keys(is) as State[]).find((state) => is[state]) ?? 'idle';
}

/** How far it has come. */
export function readyOf(current: Pick<Snapshot, 'source'> | undefined, isConfirmed: boolean): ReadyState {
  if (!current) return 'no-data';
  if (isConfirmed) return 'up-to-date';
  return current.source === 'bundled' ? 'bundled' : 'cached';
}

/** The status before, where nothing in it has changed. */
export function sameOr(before: Status | undefined, next: Status): Status {
  const isOther = (field: string): boolean => next[field as keyof Status] !== before?.[field as keyof Status];
  return Object.keys(next).some(isOther) ? next : (before as Status);
}
