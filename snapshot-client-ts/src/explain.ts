// Errors in sentences, for logs and for those who develop an app. An entry of its own: an app that needs none of
// them does not load it.

import type { ErrorCode, ReferenceDataError } from './errors.js';

// What went wrong, and what may help.
const SENTENCES: Record<ErrorCode, readonly [what: string, hint: string]> = {
  network: ['there was no response, or one that was cut off', 'the next refresh tries again'],
  timeout: [
    'no response in time',
    'the next refresh tries again; slow networks want a higher requestTimeoutMs',
  ],
  http_status: ['the server answered with another status than 200', 'open the URL; is baseUrl right?'],
  not_json: [
    'what came is not what was asked for',
    'a captive portal or a proxy may have answered; open the URL, and is baseUrl right?',
  ],
  too_large: ['more bytes came than the version allows', 'something else may have answered; open the URL'],
  hash_mismatch: [
    'the bytes are not those that were published, even past the caches',
    'run `publisher verify` on the store and on its URL',
  ],
  object_missing: [
    'the newest version names an object that is not there',
    'run `publisher verify` on the URL; objects must be pushed before the version',
  ],
  version_regressed: [
    'the server offers a version that is older than one already verified',
    'some cache is behind: is version.json cached for longer than it asks?',
  ],
  version_conflict: [
    'there are two versions of this number with different content',
    'two publishers may write to one store, or a store was restored from a copy; publish once more',
  ],
  format_unsupported: ['the snapshot has a format of the future', 'update the app'],
  schema_unsupported: [
    'the tables have a shape that this app does not know',
    'update the app, or name the major in schemaMajors where its code understands it',
  ],
  table_missing: [
    'a table that this app requires is not published',
    'publish it, or leave it out of requiredTables',
  ],
  storage_unavailable: [
    'the storage cannot be read or written',
    'a private window, blocked cookies, or a folder without rights; the data is there all the same',
  ],
  storage_full: [
    'the storage has no room',
    'the data is there all the same, and fetched again at the next start',
  ],
  cache_corrupt: ['what is stored was damaged', 'it is fetched again'],
  no_data: ['nothing is bundled, cached or fetched', 'bundle a snapshot, or wait for the network'],
  stale: [
    'the server has not confirmed the current version',
    'read with allowStaleCache where any verified data will do',
  ],
  unknown_table: ['there is no such table', 'is its key written as in the manifest?'],
  aborted: ['the caller gave up waiting', 'the refresh goes on behind'],
  disposed: ['this provider is no more', 'make a new one'],
  listener: ['a listener threw', 'its own error is the cause'],
};

/** A sentence for people: what went wrong, with what, why, and what may help. */
export function explain(error: ReferenceDataError): string {
  const [what, hint] = SENTENCES[error.code];
  return `${what} (${error.message}); ${hint}`;
}
