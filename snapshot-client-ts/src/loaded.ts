// What is in memory, and how a cache is asked: what the core and the storages share.

import type { Clock } from './clock.js';
import type { RemoteConfig } from './config.js';
import type { ReferenceDataError } from './errors.js';
import { compareOrder, type Manifest, type Order, type Version } from './format.js';
import type { MaybePromise } from './maybe-promise.js';
import type { Storage } from './storage-api.js';

/** One version whose objects are all loaded. */
export interface Generation {
  readonly version: Version;
  readonly manifest: Manifest;
}

/** What a client has in memory. */
export interface Loaded {
  /** Verified manifests and table objects, by hash. */
  texts: Map<string, string>;
  /** The highest order that was ever verified whole. */
  mark: Order | undefined;
}

/** Whose cache it is. */
export interface CacheOwner {
  /** Names the source, and how long the storage may take. */
  readonly config: RemoteConfig;
  /** By which that is measured. */
  readonly clock: Clock;
  /** What is loaded is put here, and what is stored taken from here. */
  readonly loaded: Loaded;
  /** Whether the app knows this version's major of `schemaVersion`. */
  knows(version: Version): boolean;
  /** Told what fails or is damaged; no call throws or rejects. */
  report(error: ReferenceDataError): void;
}

/** A cache in use. */
export interface Cache {
  /**
   * Gives the newest whole generation to `found`, where the head has changed and leads to one that is newer
   * than `current`. What comes when the look is over is found again by the next one.
   */
  load(
    current: Version | undefined,
    isOver: () => boolean,
    found: (generation: Generation) => void,
  ): MaybePromise<void>;
  /** Stores a generation whose objects are all loaded. */
  commit(next: Generation): Promise<void>;
  /** Calls back when another process has written; returns the end of that. */
  watch(changed: () => void): (() => void) | undefined;
}

/** A storage and what makes a cache of it; `tablecast-client/storage` makes them. */
export interface CacheStorage extends Storage {
  /** Begins to use it. */
  open(owner: CacheOwner): Cache;
}

/** The manifest and the table objects of a generation. */
export function objectsOf({ version, manifest }: Generation): string[] {
  return [version.manifest.hash, ...Object.values(manifest.tables).map((table) => table.hash)];
}

/** The texts of this generation; nothing else stays loaded. */
export function retain(loaded: Loaded, generation: Generation): Map<string, string> {
  const before = loaded.texts;
  loaded.texts = new Map(objectsOf(generation).map((hash) => [hash, before.get(hash) as string]));
  return loaded.texts;
}

/** Raises the mark to this order, or leaves it where it is higher. */
export function raiseMark(loaded: Loaded, order: Order): void {
  if (!loaded.mark || compareOrder(order, loaded.mark) > 0) loaded.mark = order;
}
