// Values that may be there at once: an app whose storage is synchronous has its data before its first frame.

/** A value, or a promise of it. */
export type MaybePromise<T> = T | PromiseLike<T>;

/** Goes on with what `run` gives, now or when it is there; or with what is thrown on the way. */
export function attempt<T, R>(
  run: () => MaybePromise<T>,
  next: (value: T) => MaybePromise<R>,
  failed: (thrown: unknown) => MaybePromise<R>,
): MaybePromise<R> {
  try {
    const value = run();
    return isPromise(value) ? value.then(next).then(undefined, failed) : next(value as T);
  } catch (thrown) {
    return failed(thrown);
  }
}

/** Whether there is a promise to wait for. */
export function isPromise<T>(value: MaybePromise<T>): value is PromiseLike<T> {
  return typeof (value as PromiseLike<T> | null)?.then === 'function';
}
