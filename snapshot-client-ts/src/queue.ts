// The order of all work on one cache.

import type { MaybePromise } from './maybe-promise.js';

/** Whether a piece of work was asked for before the last cut: then it has nothing to say any more. */
export type IsOver = () => boolean;

/** Pieces of work, one after the other. */
export type Queue = readonly [
  /** Begins this at once; what is asked for later waits for it. */
  now: (work: (isOver: IsOver) => MaybePromise<void>) => void,
  /** Does this when all is done that was asked for before. */
  later: <R>(work: (isOver: IsOver) => MaybePromise<R>) => Promise<R>,
  /** All that was asked for so far is over. */
  cut: () => void,
];

/** A queue with nothing in it. */
export function createQueue(): Queue {
  // Rises with each cut.
  let life = 0;
  let tail: Promise<unknown> = Promise.resolve();
  const inThisLife = (): IsOver => {
    const began = life;
    return () => began !== life;
  };
  return [
    (work) => {
      tail = Promise.all([tail, work(inThisLife())]);
    },
    (work) => {
      const isOver = inThisLife();
      const done = tail.then(() => work(isOver));
      tail = done.catch(() => {});
      return done;
    },
    () => {
      life++;
    },
  ];
}
