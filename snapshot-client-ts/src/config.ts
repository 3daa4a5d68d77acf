import type { Clock } from './clock.js';
import type { CacheStorage } from './loaded.js';
import type { MaybePromise } from './maybe-promise.js';
import type { ReferenceDataProvider } from './provider.js';
import type { Bundled } from './snapshot.js';
import type { Transport } from './transport.js';

/** A flag that tells of its changes. */
export interface Flag {
  /** On is `true`, and nothing else. */
  get(): unknown;
  /** Calls back when it may have changed; returns the end of that. */
  subscribe(changed: () => void): () => void;
}

/** How a local provider is set up. */
export interface LocalConfig {
  /** What the app ships. */
  bundled: Bundled | (() => MaybePromise<Bundled>);
}

/** How a remote provider is set up. */
export interface RemoteConfig {
  /** Where `version.json` lies, such as `https://cdn.example.org/reference`. */
  baseUrl: string;
  /** What the app ships: current until something newer is there. */
  bundled?: Bundled | (() => MaybePromise<Bundled>);
  /** Where verified objects are cached, of `tablecast-client/storage` or `/node`; without it every start fetches. */
  storage?: CacheStorage;
  /** Separates two sources in one storage; by default it is made of the base URL. */
  namespace?: string;
  /** `auto` refreshes at the start and by a timer, `manual` when it is asked to. Default `auto`. */
  polling?: 'auto' | 'manual';
  /** From 5 000 to 86 400 000. Default 300 000, five minutes. */
  pollIntervalMs?: number;
  /** How long a confirmation by the server counts as fresh. Default: the interval. */
  staleTimeMs?: number;
  /** For a request, and a second more for each 4 KiB that it may bring. Default 10 000. */
  requestTimeoutMs?: number;
  /** How long a read or `waitForReady` waits. Default 5 000. */
  initTimeoutMs?: number;
  /** How long one operation of the storage may take. Default 5 000. */
  storageTimeoutMs?: number;
  /** The majors of `schemaVersion` that this app's code understands. Default `[1]`. */
  schemaMajors?: readonly number[];
  /** Tables without which a version is refused. Default none. */
  requiredTables?: readonly string[];
  /**
   * The most bytes that a table or bootstrap object may have, from 1 to 2^53-1; a version with a larger one is
   * refused. Raise it where the store's publisher has a larger `max_object_bytes`. Default 33 554 432, 32 MiB.
   */
  maxObjectBytes?: number;
  /** Tells of foreground and network; returns the end of that. See `tablecast-client/lifecycle`. */
  lifecycle?: (provider: Pick<ReferenceDataProvider, 'setActive' | 'setOnline'>) => () => void;
  /** Default: the platform's `fetch`. */
  transport?: Transport;
  /** Default: the platform's. */
  clock?: Clock;
}

/** How a provider behind a flag is set up. */
export interface ReferenceConfig extends RemoteConfig, LocalConfig {
  /** What the app ships: all there is while the flag is off, the fallback while it is on. */
  bundled: Bundled | (() => MaybePromise<Bundled>);
  /** Off unless it is exactly `true`; a function is asked at each call and before each poll. */
  enabled?: boolean | (() => unknown) | Flag;
}

/** Whether a flag is on; a flag that throws is off. */
export function isOn(enabled: ReferenceConfig['enabled']): boolean {
  try {
    const value =
      typeof enabled === 'object' ? enabled.get() : typeof enabled === 'function' ? enabled() : enabled;
    return value === true;
  } catch {
    return false;
  }
}
