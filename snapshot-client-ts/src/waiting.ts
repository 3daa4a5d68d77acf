import type { Clock } from './clock.js';

/** Those who wait for something to be so. */
export interface Waiting {
  /** Something has changed: each looks whether it is so now. */
  wake(): void;
  /** Waits until something is so, or for so long. */
  until(isSo: () => boolean, timeoutMs: number): Promise<void>;
}

/** Nobody waits yet. */
export function createWaiting(clock: Clock): Waiting {
  const looks = new Set<() => void>();
  return {
    wake: () => {
      for (const look of [...looks]) look();
    },
    until: async (isSo, timeoutMs) => {
      if (isSo()) return;
      await new Promise<void>((resolve) => {
        const end = (): void => {
          clock.clearTimer(limit);
          looks.delete(look);
          resolve();
        };
        const look = (): void => {
          if (isSo()) end();
        };
        const limit = clock.setTimer(end, timeoutMs, false);
        looks.add(look);
      });
    },
  };
}
