// What came of one refresh, and what the refreshes so far have come to.

import type { ReferenceDataError } from './errors.js';
import type { RefreshResult } from './provider.js';
import { changedTables, type Snapshot } from './snapshot.js';

/** The last one ended well, or there was none; or so many have failed since, and what the last one was. */
export type Outcome =
  | { readonly failures: 0; readonly lastError: undefined; readonly updateRequired: undefined }
  | {
      readonly failures: number;
      readonly lastError: ReferenceDataError;
      /** What is offered and not understood, until a refresh ends well. */
      readonly updateRequired: string | undefined;
    };

/** No refresh has failed since the last one that ended well. */
export const WELL: Outcome = { failures: 0, lastError: undefined, updateRequired: undefined };

/** The outcome when one more refresh has ended, with this error or well. */
export function nextOutcome(before: Outcome, lastError: ReferenceDataError | undefined): Outcome {
  if (!lastError) return WELL;
  return {
    failures: before.failures + 1,
    lastError,
    updateRequired: lastError.offered ?? before.updateRequired,
  };
}

/** What came of one refresh that found this snapshot current and left that one. */
export function resultOf<T>(
  status: RefreshResult['status'],
  before: Snapshot<T> | undefined,
  now: Snapshot<T> | undefined,
  error?: ReferenceDataError,
): RefreshResult {
  return {
    status,
    version: now?.version,
    get changedTables() {
      return changedTables(before, now);
    },
    error,
  };
}
