// Decisions without effects: a story yields what it wants done and is handed what came of it.
//
// So the rules of the cache are plain functions from what is read to what is asked for next. They know no disk
// and no clock, wait only where the storage does, and one test can fail each of their steps.

import { isPromise, type MaybePromise } from './maybe-promise.js';

/** What a story asks for. Reading gives the value or null. */
export type Action =
  | { readonly do: 'read'; readonly key: string }
  | { readonly do: 'write'; readonly key: string; readonly value: string }
  | { readonly do: 'remove'; readonly key: string };

/** A story and what it ends with. */
export type Story<T> = Generator<Action, T, unknown>;

/** Reads a stored value. */
export function* read(key: string): Story<string | null> {
  return ((yield { do: 'read', key }) as string | null | undefined) ?? null;
}

/**
 * Performs a story to its end: at once while the effects are immediate, and by promises from the first one on
 * that is not.
 */
export function perform<T>(
  story: Story<T>,
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
            (given) => step(() => story.next(given)),
            (thrown) => step(() => story.throw(thrown)),
          );
        }
        next = () => story.next(result);
      } catch (thrown) {
        next = () => story.throw(thrown);
      }
    }
  };
  return step(() => story.next());
}
