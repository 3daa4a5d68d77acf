// The local side of an app: what it has while the flag is off.

export { type BundledFiles, localBundle } from './local-bundle.js';
export { type LocalFiles, type LocalJsonOptions, type LocalTableOptions, localJson } from './local-json.js';
export {
  type Local,
  type LocalRow,
  type LocalSource,
  type LocalVersion,
  localSource,
} from './local-source.js';
export {
  betterSqlite3,
  type LocalSqliteOptions,
  localSqlite,
  type SqliteDatabase,
  sqlJs,
} from './local-sqlite.js';
