// When to ask again: docs/client.md section 4 is this file in words.

import type { ReferenceDataError } from './errors.js';

const MAX_BACKOFF_MS = 300_000;
const MIN_BACKOFF_MS = 250;

// After these, asking soon again is of no use: the server knows what it says.
const SETTLED = /^((version|schema|format|table)_|http_status: (40[134]|410))/;

/** Throws for a setting that is no number from `least` to `most`. */
export function checkRange(name: string, value: number, least: number, most: number): void {
  // Not for what is no number, either.
  if (value !== Math.min(Math.max(value, least), most)) throw new RangeError(`${name}: ${least} to ${most}`);
}

/**
 * How long to wait until the next refresh, in milliseconds.
 *
 * `random` is from 0 to 1, by chance; `failures` those in a row, this error's included.
 */
export function nextDelayMs(
  error: ReferenceDataError | undefined,
  failures: number,
  pollIntervalMs: number,
  random: number,
): number {
  if (!error || SETTLED.test(error.message)) return pollIntervalMs * (0.9 + 0.2 * random);
  const most = Math.min(1000 * 2 ** failures, pollIntervalMs, MAX_BACKOFF_MS);
  return Math.max(random * most, MIN_BACKOFF_MS, error.retryAfterMs ?? 0);
}
