import { type Clock, within } from './clock.js';

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
      for (const look of looks) look();
    },
    until: async (isSo, timeoutMs) => {
      let look!: () => void;
      const being = new Promise<void>((resolve) => {
        look = () => {
          if (isSo()) resolve();
        };
      });
      looks.add(look);
      look();
      await within(clock, timeoutMs, being, Error).catch(() => {});
      looks.delete(look);
    },
  };
}
