// Decisions without effects: steps yield what they want done and are given what came of it.
//
// So the rules of the cache are plain functions from what is read to what is asked for next. They know no disk
// and no clock, wait only where the storage does, and one test can fail each of their steps.

import { isPromise, type MaybePromise } from './maybe-promise.js';

/** What steps ask for. Reading gives the value or null. */
export type Action =
  | { readonly do: 'read'; readonly key: string }
  | { readonly do: 'write'; readonly key: string; readonly value: string }
  | { readonly do: 'remove'; readonly key: string };

/** Steps to take, and what they end with. */
export type Steps<T> = Generator<Action, T, unknown>;

/** Reads a stored value. */
export function* read(key: string): Steps<string | null> {
  return ((yield { do: 'read', key }) as string | null | undefined) ?? null;
}

/**
 * Performs steps to their end: at once while the effects are immediate, and by promises from the first one on
 * that is not.
 */
export function perform<T>(
  steps: Steps<T>,
  effect: (action: Action) => MaybePromise<unknown>,
): MaybePromise<T> {
  const step = (next: () => IteratorResult<Action, T>): MaybePromise<T> => {
    for (;;) {
      const { done, value } = next();
      if (done) return value;
      try {
        const result = effect(value);
        if (isPromise(result)) {
          return result.then(
            (given) => step(() => steps.next(given)),
            (thrown) => step(() => steps.throw(thrown)),
          );
        }
        next = () => steps.next(result);
      } catch (thrown) {
        next = () => steps.throw(thrown);
      }
    }
  };
  return step(() => steps.next());
}
