/** The clock, the timers and the chance of the platform, where others are wanted. */
export interface Clock {
  /** Milliseconds that only grow. */
  now(): number;
  /**
   * Calls back once after so many milliseconds; an idle timer does not keep a program from
   * ending. Gives what `clearTimer` takes, which is not 0 and not nothing.
   */
  setTimer(callback: () => void, ms: number, idle: boolean): unknown;
  /** Takes that back. */
  clearTimer(timer: unknown): void;
  /** From 0 to 1, by chance. */
  random(): number;
}

/** The platform's own. */
export const SYSTEM_CLOCK: Clock = {
  now: () => performance.now(),
  setTimer: (callback, ms, idle) => {
    const timer = setTimeout(callback, ms);
    if (idle) (timer as { unref?: () => void }).unref?.();
    return timer;
  },
  clearTimer: (timer) => clearTimeout(timer as number),
  random: () => Math.random(),
};

/** The promise, or, where it takes longer, the error that `late` makes. */
export function within<T>(clock: Clock, ms: number, promise: PromiseLike<T>, late: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const limit = clock.setTimer(() => reject(late()), ms, false);
    promise.then(resolve, reject).then(() => clock.clearTimer(limit));
  });
}
