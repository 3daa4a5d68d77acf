// What is held in memory, and what is known of the cache: the state that the stories share.

import type { ReferenceDataError } from './errors.js';
import { compareOrder, type Manifest, type Order, type Version } from './format.js';
import type { Storage } from './storage-api.js';
import type { Story } from './story.js';

/** One version whose objects are all held. */
export interface Generation {
  readonly version: Version;
  readonly manifest: Manifest;
}

/** What a client knows of its cache, and the verified texts that it holds in memory. */
export interface Cache {
  /** Verified manifests and table objects, by hash. */
  readonly held: Map<string, string>;
  /** The hashes of objects that are known to be stored and right. */
  readonly stored: Set<string>;
  /** The head as it was last read or written; undefined before the first look. */
  head: string | null | undefined;
  /** The newest generation that was seen whole in the cache. */
  whole: Generation | undefined;
  /** The highest order that was ever verified whole. */
  mark: Order | undefined;
}

/** What the parent story decides for the cache. */
export interface LoadRules {
  /** Whether the app knows this version's major of `schemaVersion`. */
  knows(version: Version): boolean;
  /** What is shown now; only something newer is of use. */
  readonly shown: Version | undefined;
  /** Told what is damaged, and goes on. */
  report(error: ReferenceDataError): void;
}

/** A storage and what makes a cache of it; `tablecast-client/storage` makes them. */
export interface CacheStorage extends Storage {
  /** Reads the newest whole generation, where the head has changed and there is one of use. */
  load(cache: Cache, rules: LoadRules): Story<Generation | undefined>;
  /** Stores a generation whose objects are all held. */
  commit(cache: Cache, next: Generation): Story<void>;
}

/** A cache of which nothing is known yet. */
export function newCache(): Cache {
  return { held: new Map(), stored: new Set(), head: undefined, whole: undefined, mark: undefined };
}

/** The manifest and the table objects of a generation. */
export function objectsOf({ version, manifest }: Generation): string[] {
  return [version.manifest.hash, ...Object.values(manifest.tables).map((table) => table.hash)];
}

/** Raises the mark to this order, or leaves it where it is higher. */
export function raiseMark(cache: Cache, order: Order): void {
  if (!cache.mark || compareOrder(order, cache.mark) > 0) cache.mark = order;
}
