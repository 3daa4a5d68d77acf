// Which snapshot is current: with the flag the newest that there is, without it what the app ships.

import type { Change } from './provider.js';
import { changedTables, type Snapshot } from './snapshot.js';

/** The snapshots that a provider has, one of which is current. */
export type Current<T> = readonly [
  /** The current one. */
  get: () => Snapshot<T> | undefined,
  /** One more: what the app ships, or what was fetched or loaded and is newer. */
  add: (snapshot: Snapshot<T>) => void,
  /** Looks which one is to be current, and tells of it where that is another. */
  choose: () => void,
];

/** Nothing is current yet. */
export function createCurrent<T>(isOn: () => boolean, changed: (change: Change) => void): Current<T> {
  let current: Snapshot<T> | undefined;
  let bundled: Snapshot<T> | undefined;
  // Also while the flag hides it. It is newer than what is bundled, or it would not have been added.
  let fetched: Snapshot<T> | undefined;

  function choose(): void {
    const from = current;
    const next = (isOn() && fetched) || bundled;
    if (next === from) return;
    current = next;
    changed({
      from: from?.version,
      to: next?.version,
      source: next?.source,
      // Found out when somebody asks: it may parse every table.
      get changedTables() {
        return changedTables(from, next);
      },
    });
  }

  return [
    () => current,
    (snapshot) => {
      if (snapshot.source === 'bundled') bundled = snapshot;
      else fetched = snapshot;
      choose();
    },
    choose,
  ];
}
