// When to ask again: docs/client.md section 4 is this file in words.

import type { ReferenceDataError } from './errors.js';

const MIN_INTERVAL_MS = 5_000;
const MAX_INTERVAL_MS = 86_400_000;
const MAX_BACKOFF_MS = 300_000;
const MIN_BACKOFF_MS = 250;

// After these, asking soon again is of no use: the server knows what it says.
const SETTLED = /^((version|schema|format|table)_|http_status: (40[134]|410))/;

/** Throws for an interval that a timer would take for none at all, or that makes no sense. */
export function checkInterval(ms: number): void {
  // Also a text of digits is none.
  if (ms === +ms && ms >= MIN_INTERVAL_MS && ms <= MAX_INTERVAL_MS) return;
  throw new RangeError(`pollIntervalMs ${ms}: give 5 s to 24 h`);
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
