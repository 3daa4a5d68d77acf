import type { ReferenceDataError } from './errors.js';
import type { Version } from './format.js';
import type { AnyTables, Snapshot, Source } from './snapshot.js';

/** How an app reads. */
export interface ReadOptions {
  /** Take what is verified now, however old; false waits until the server has confirmed it. */
  allowStaleCache?: boolean;
  /** How long to wait at most, in milliseconds; the refresh goes on behind. */
  timeoutMs?: number;
}

/** How far a provider has come. */
export type ReadyState = 'no-data' | 'bundled' | 'cached' | 'up-to-date';

/** What a provider is at. */
export type State = 'loading' | 'idle' | 'refreshing' | 'backoff' | 'offline' | 'paused' | 'stopped';

/** A provider's condition, for people and for logs. */
export interface Status {
  /** What it is at. */
  readonly state: State;
  /** How far it has come. */
  readonly ready: ReadyState;
  /** Refreshes that failed since the last success. */
  readonly failures: number;
  /** Why the last one failed, until one succeeds. */
  readonly lastError: ReferenceDataError | undefined;
  /** When the next refresh is planned, in milliseconds by the provider's clock (`performance.now()`). */
  readonly nextRefreshAt: number | undefined;
  /** The version that is offered and that only an update of the app will understand. */
  readonly updateRequired: string | undefined;
}

/** How an app refreshes. */
export interface RefreshOptions {
  /** Ends the caller's waiting; the refresh goes on for others. */
  signal?: AbortSignal;
  /** Passes caches by, for whoever knows that there is something new; a refresh under way is taken as it is. */
  fresh?: boolean;
}

/** What came of a refresh. */
export interface RefreshResult {
  /** `skipped`: stopped, or known to be without network. */
  readonly status: 'updated' | 'not-modified' | 'skipped' | 'failed';
  /** The version that is current now. */
  readonly version: Version | undefined;
  /** The keys of the tables whose rows differ from those that were current before. */
  readonly changedTables: readonly string[];
  /** Why it failed. */
  readonly error?: ReferenceDataError | undefined;
}

/** Another snapshot is current. */
export interface Change {
  /** What was current before. */
  readonly from: Version | undefined;
  /** What is current now; undefined with the flag off, where what the app ships cannot be used. */
  readonly to: Version | undefined;
  /** Where it came from. */
  readonly source: Source | undefined;
  /** The keys of the tables that differ, sorted. */
  readonly changedTables: readonly string[];
}

/** The events and what each brings. */
export interface Events {
  /** The cache is loaded, or the first data is there. */
  ready: ReadyState;
  /** Another snapshot is current. */
  change: Change;
  /** A refresh or the cache failed. */
  error: ReferenceDataError;
  /** The first success after failures. */
  recovered: undefined;
  /** The status changed. */
  status: Status;
  /** Only an update of the app will understand what is offered. */
  updateRequired: string;
}

/** What an app reads tables from; whoever has one does not know where the data lives. */
export interface ReferenceDataProvider<T = AnyTables> {
  /** Whether it fetches. */
  readonly kind: 'local' | 'remote';
  /** The version; throws `stale` or `no_data`. */
  getVersion(options?: ReadOptions): Promise<Version>;
  /** All tables of one version; throws `stale` or `no_data`. */
  getBootstrap(options?: ReadOptions): Promise<Snapshot<T>>;
  /** The rows of one table; throws `unknown_table`, `stale` or `no_data`. */
  getTable<K extends keyof T & string>(key: K, options?: ReadOptions): Promise<readonly T[K][]>;
  /** The current snapshot, at once; the same object until the version changes. */
  getSnapshot(): Snapshot<T> | undefined;
  /** Calls back when {@link getSnapshot} gives another snapshot; returns the end of that. */
  subscribe(changed: () => void): () => void;
  /** The condition; the same object until something in it changes. */
  getStatus(): Status;
  /** Calls back at each event of this name; returns the end of that. */
  on<E extends keyof Events>(event: E, listener: (payload: Events[E]) => void): () => void;
  /** Waits for the cache and the first refresh; never rejects. */
  waitForReady(options?: { timeoutMs?: number }): Promise<ReadyState>;
  /** Asks the server now; never rejects. */
  refresh(options?: RefreshOptions): Promise<RefreshResult>;
  /** Begins to poll; a new provider has begun. */
  start(): void;
  /** Ends timers and requests; the current snapshot stays. */
  stop(): void;
  /** Whether the app is in the foreground. */
  setActive(active: boolean): void;
  /** Whether the device has a network. */
  setOnline(online: boolean): void;
  /** The end of it. */
  dispose(): void;
}
