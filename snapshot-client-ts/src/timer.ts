// When the next refresh is due, and the one timer for it.

import type { Clock } from './clock.js';

/** A timer. */
export type Timer = readonly [
  /** The next refresh is due in so many milliseconds; by default now. */
  dueIn: (ms?: number) => void,
  /** Sets the timer for that, or none; it fires after `atLeastMs` at the earliest. */
  set: (isWanted: boolean, atLeastMs: number) => void,
  /** When the next refresh is planned; nothing where no timer is set. */
  plannedAt: () => number | undefined,
];

/** No timer yet; the first refresh is due now. */
export function createTimer(clock: Clock, fired: () => void): Timer {
  let dueAt = clock.now();
  let timer: unknown;
  return [
    (ms = 0) => {
      dueAt = clock.now() + ms;
    },
    (isWanted, atLeastMs) => {
      clock.clearTimer(timer);
      timer = isWanted && clock.setTimer(fired, Math.max(dueAt - clock.now(), atLeastMs), true);
    },
    () => (timer ? dueAt : undefined),
  ];
}
