import { useSyncExternalStore } from 'react';
import type { Remembered } from '../user/memory';

/** A remembered value, in step with every screen and tab. */
export function useRemembered<T>(remembered: Remembered<T>): T {
  return useSyncExternalStore(remembered.subscribe, remembered.get);
}
