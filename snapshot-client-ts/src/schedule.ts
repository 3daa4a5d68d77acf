// When to ask again: docs/client.md section 4 is this file in words.

import type { ReferenceDataError } from './errors.js';

/** What the waiting depends on. */
export interface Timing {
  /** The normal interval in milliseconds. */
  readonly pollIntervalMs: number;
  /** From 0 to 1, by chance. */
  readonly random: number;
  /** Failures in a row, this one included. */
  readonly failures: number;
}

const MIN_INTERVAL_MS = 5_000;
const MAX_INTERVAL_MS = 86_400_000;
const MAX_BACKOFF_MS = 300_000;
const MIN_BACKOFF_MS = 250;
const JITTER = 0.1;

/** Throws for an interval that a timer would take for none at all, or that makes no sense. */
export function checkInterval(pollIntervalMs: number): void {
  if (
    Number.isFinite(pollIntervalMs) &&
    pollIntervalMs >= MIN_INTERVAL_MS &&
    pollIntervalMs <= MAX_INTERVAL_MS
  )
    return;
  throw new RangeError(`pollIntervalMs is ${pollIntervalMs}; give 5000 (5 s) to 86400000 (a day)`);
}

/** How long to wait until the next refresh, in milliseconds. */
export function nextDelayMs(error: ReferenceDataError | undefined, timing: Timing): number {
  const { pollIntervalMs, random, failures } = timing;
  const interval = pollIntervalMs * (1 - JITTER + 2 * JITTER * random);
  if (!error || !isWorthHurry(error)) return interval;
  const most = Math.min(1000 * 2 ** Math.min(failures, 20), pollIntervalMs, MAX_BACKOFF_MS);
  return Math.max(random * most, MIN_BACKOFF_MS, error.retryAfterMs ?? 0);
}

// Asking soon again helps against a bad network, not against a server that knows what it says.
function isWorthHurry({ code, status = 0 }: ReferenceDataError): boolean {
  switch (code) {
    case 'version_regressed':
    case 'version_conflict':
    case 'schema_unsupported':
    case 'format_unsupported':
    case 'table_missing':
      return false;
    case 'http_status':
      return ![401, 403, 404, 410].includes(status);
    default:
      return true;
  }
}
