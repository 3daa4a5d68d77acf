// The core: everything an app needs but a storage that lasts.

export type { Clock } from './clock.js';
export type { Flag, LocalConfig, ReferenceConfig, RemoteConfig } from './config.js';
export { type ErrorCode, type ErrorDetails, ReferenceDataError } from './errors.js';
export {
  type Bootstrap,
  compareOrder,
  type Manifest,
  type ObjectRef,
  type Order,
  type TableEntry,
  type Version,
} from './format.js';
export type { CacheStorage } from './loaded.js';
export type { MaybePromise } from './maybe-promise.js';
export type {
  Change,
  Events,
  ReadOptions,
  ReadyState,
  ReferenceDataProvider,
  RefreshOptions,
  RefreshResult,
  State,
  Status,
} from './provider.js';
export { createLocalProvider, createReferenceProvider, createRemoteProvider } from './reference.js';
export type { AnyTables, Bundled, BundledManifest, Snapshot, Source } from './snapshot.js';
export type { Storage } from './storage-api.js';
export { type FetchResponse, fetchTransport, type Transport } from './transport.js';
