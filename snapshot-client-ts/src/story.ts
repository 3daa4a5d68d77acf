// Decisions without effects: a story yields what it wants done and is handed what came of it.
//
// So the rules of refreshing and of the cache are plain functions from what arrives to what is asked for
// next. They know no socket, disk or clock, and one test can fail each of their steps.

/** A value, or a promise of it. */
export type MaybePromise<T> = T | PromiseLike<T>;

/** One GET request. */
export interface FetchRequest {
  /** Relative to the base URL. */
  readonly path: string;
  /** More bytes than this are not read. */
  readonly limitBytes: number;
  /** Pass caches by. */
  readonly again?: boolean;
}

/** What came of one request: a response, or why there is none. */
export type FetchResult = FetchResponse | Error;

/** A response; a body beyond the limit may be cut off behind it. */
export interface FetchResponse {
  /** The HTTP status. */
  readonly status: number;
  /** The body as bytes, or as text where the platform gives no bytes. */
  readonly body: Uint8Array | string;
  /** The header `Retry-After`. */
  readonly retryAfter?: string | null;
  /** The header `Date`. */
  readonly date?: string | null;
}

/** What a story asks for. Reading gives the value or null, fetching a list of results, in order. */
export type Action =
  | { readonly do: 'fetch'; readonly requests: readonly FetchRequest[] }
  | { readonly do: 'read'; readonly key: string }
  | { readonly do: 'write'; readonly key: string; readonly value: string }
  | { readonly do: 'remove'; readonly key: string };

/** A story and what it ends with. */
export type Story<T> = Generator<Action, T, unknown>;

/** Fetches all of these; never throws for a single one. */
export function* fetchAll(requests: readonly FetchRequest[]): Story<readonly FetchResult[]> {
  return (yield { do: 'fetch', requests }) as readonly FetchResult[];
}

/** Reads a stored value. */
export function* read(key: string): Story<string | null> {
  return ((yield { do: 'read', key }) as string | null | undefined) ?? null;
}

/**
 * Performs a story to its end: at once while the effects are immediate, so that an app with a synchronous
 * storage has its data before its first frame, and by promises from the first one on that is not.
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

/** Goes on with a value now, or when it is there. */
export function then<T, R>(value: MaybePromise<T>, next: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return isPromise(value) ? value.then(next) : next(value as T);
}

/** Whether there is a promise to wait for. */
export function isPromise<T>(value: MaybePromise<T>): value is PromiseLike<T> {
  return typeof (value as PromiseLike<T> | null)?.then === 'function';
}
