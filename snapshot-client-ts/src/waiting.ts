import { type Clock, within } from './clock.js';
import type { Emitter } from './emitter.js';

/** Waits until something is so, or for so long; looks whether it is so at each turn. */
export type Until = (isSo: () => boolean, timeoutMs: number) => Promise<void>;

/** A way to wait that hears of turns from this emitter. */
export function createUntil(clock: Clock, on: Emitter['on']): Until {
  return async (isSo, timeoutMs) => {
    let end!: () => void;
    const being = new Promise<void>((resolve) => {
      const look = (): unknown => isSo() && resolve();
      end = on('turn', look);
      look();
    });
    await within(clock, timeoutMs, being, Error).catch(() => {});
    end();
  };
}
