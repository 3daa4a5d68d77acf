/** What went wrong, by name; docs/client.md section 7 says what each means. */
export type ErrorCode =
  | 'network'
  | 'timeout'
  | 'http_status'
  | 'not_json'
  | 'too_large'
  | 'hash_mismatch'
  | 'object_missing'
  | 'version_regressed'
  | 'version_conflict'
  | 'format_unsupported'
  | 'schema_unsupported'
  | 'table_missing'
  | 'storage_unavailable'
  | 'storage_full'
  | 'cache_corrupt'
  | 'no_data'
  | 'stale'
  | 'unknown_table'
  | 'aborted'
  | 'disposed'
  | 'listener';

/** More about an error, where there is more. */
export interface ErrorDetails {
  /** What led to it. */
  cause?: unknown;
  /** The HTTP status, with `http_status` and `object_missing`. */
  status?: number;
  /** How long the server asks us to wait, in milliseconds. */
  retryAfterMs?: number | undefined;
  /** The version that is offered and not understood. */
  offered?: string;
}

/**
 * The one error that this package throws or reports.
 *
 * Its message is its code and what it is about: a URL, a table, a key. `explain` of `tablecast-client/explain`
 * says it in a sentence, with what may help; an app that needs no sentences does not load them.
 */
export class ReferenceDataError extends Error implements ErrorDetails {
  /** What went wrong. */
  declare readonly code: ErrorCode;
  /** Whether the same may work later without a change of the app. */
  declare readonly retryable: boolean;
  /** See {@link ErrorDetails}. */
  declare readonly status?: number;
  /** See {@link ErrorDetails}. */
  declare readonly retryAfterMs?: number;
  /** See {@link ErrorDetails}. */
  declare readonly offered?: string;
  /** What led to it. */
  declare readonly cause?: unknown;

  constructor(code: ErrorCode, about: string, details?: ErrorDetails) {
    super(`${code}: ${about}`);
    const retryable = !/unsupported|unknown|disposed|listener/.test(code);
    Object.assign(this, details, { name: 'ReferenceDataError', code, retryable });
  }
}

/** Throws such an error. */
export function fail(code: ErrorCode, about: string, details?: ErrorDetails): never {
  throw new ReferenceDataError(code, about, details);
}

/** The same error, or one of this code around whatever else was thrown. */
export function asError(cause: unknown, code: ErrorCode, about: string): ReferenceDataError {
  if (cause instanceof ReferenceDataError) return cause;
  return new ReferenceDataError(code, `${about}: ${(cause as Error | null)?.message ?? cause}`, { cause });
}
