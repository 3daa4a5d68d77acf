// The cache: docs/client.md section 8 has its keys, and why each write stands where it does.

import { blake3 } from './blake3.js';
import { fail, ReferenceDataError } from './errors.js';
import { asVersion, compareOrder, parseManifest, type Version } from './format.js';
import {
  type Cache,
  type CacheStorage,
  type Generation,
  type LoadRules,
  objectsOf,
  raiseMark,
} from './held.js';
import type { Storage } from './storage-api.js';
import { type Action, read, type Story } from './story.js';
import { encode } from './text.js';

interface Head {
  readonly cacheFormat: number;
  readonly current: Version;
  readonly previous: Version | null;
}

const CACHE_FORMAT = 1;
// Android's AsyncStorage writes larger values and then fails to read them.
const PIECE_UNITS = 1 << 18;

/** The cache in a storage. */
export function cacheIn(storage: Storage): CacheStorage {
  const { lock, watch } = storage;
  return {
    getItem: (key) => storage.getItem(key),
    setItem: (key, value) => storage.setItem(key, value),
    removeItem: (key) => storage.removeItem(key),
    ...(lock && { lock }),
    ...(watch && { watch }),
    load,
    commit,
  };
}

/** Reads the head and, where it is another than last time, the newest whole generation that is of use. */
function* load(cache: Cache, rules: LoadRules): Story<Generation | undefined> {
  const text = yield* read('head');
  if (text === cache.head) return undefined;
  cache.head = text;
  cache.stored.clear();
  cache.whole = undefined;
  const head = parseHead(text, rules.report);
  if (!head) return undefined;
  if (rules.knows(head.current)) raiseMark(cache, head.current);
  for (const version of [head.current, head.previous]) {
    if (!version || !rules.knows(version)) continue;
    if (rules.shown && compareOrder(version, rules.shown) <= 0) return undefined;
    const generation = yield* loadGeneration(cache, version, rules);
    if (generation) {
      cache.whole = generation;
      return generation;
    }
  }
  return undefined;
}

/** Stores a generation whose objects are all held, and makes the head name it last. */
function* commit(cache: Cache, next: Generation): Story<void> {
  const head = yield* read('head');
  const known = parseHead(head);
  const ahead = known ? compareOrder(known.current, next.version) : -1;
  if (head !== cache.head) {
    // Another process was here: what it removed we cannot know.
    cache.stored.clear();
    cache.whole = undefined;
    if (ahead === 0) return;
  }
  if (isForeign(head) || ahead > 0) return;

  const objects = objectsOf(next);
  const kept = new Set([...objects, ...(cache.whole ? objectsOf(cache.whole) : [])]);
  // Before anything is written that may have to be removed: whenever we are killed, the next commit finds it.
  const index = new Set([...(yield* readIndex()), ...objects]);
  yield writing('index', JSON.stringify([...index]));
  for (const hash of objects) if (!cache.stored.has(hash)) yield* writeObject(cache, hash);

  if ((yield* read('head')) !== head) return;
  const text = JSON.stringify({
    cacheFormat: CACHE_FORMAT,
    current: next.version,
    previous: cache.whole?.version ?? null,
  });
  yield writing('head', text);
  cache.head = text;
  cache.whole = next;

  for (const hash of index) if (!kept.has(hash)) yield* removeObject(cache, hash);
  yield writing('index', JSON.stringify([...kept]));
}

function writing(key: string, value: string): Action {
  return { do: 'write', key, value };
}

function* loadGeneration(cache: Cache, version: Version, rules: LoadRules): Story<Generation | undefined> {
  const text = yield* readObject(cache, version.manifest.hash, rules, 'manifest');
  if (text === undefined) return undefined;
  const manifest = parseManifest(text);
  let whole = true;
  // All of them, whatever is wrong with one: what is right need not be fetched again.
  for (const [key, { hash }] of Object.entries(manifest.tables)) {
    if ((yield* readObject(cache, hash, rules, `table ${key}`)) === undefined) whole = false;
  }
  return whole ? { version, manifest } : undefined;
}

function* readObject(cache: Cache, hash: string, rules: LoadRules, what: string): Story<string | undefined> {
  let text = cache.held.get(hash);
  if (text !== undefined && cache.stored.has(hash)) return text;
  try {
    text = yield* readPieces(hash);
    if (blake3(encode(text)) === hash) {
      cache.held.set(hash, text);
      cache.stored.add(hash);
      return text;
    }
  } catch (thrown) {
    if (thrown instanceof ReferenceDataError && thrown.code !== 'cache_corrupt') rules.report(thrown);
  }
  rules.report(new ReferenceDataError('cache_corrupt', `the cached ${what} (${hash}) is missing or damaged`));
  return cache.held.get(hash);
}

function* readPieces(hash: string): Story<string> {
  const first = (yield* read(`${hash}.0`)) ?? '';
  const end = first.indexOf('\n');
  const pieces = Number(first.slice(0, Math.max(end, 0)));
  let text = first.slice(end + 1);
  for (let piece = 1; piece < pieces; piece++) {
    const more = yield* read(`${hash}.${piece}`);
    // Also the end of a number of pieces that is not one of ours.
    if (more === null) fail('cache_corrupt', `piece ${piece} of ${hash}`);
    text += more;
  }
  return text;
}

function* writeObject(cache: Cache, hash: string): Story<void> {
  const text = cache.held.get(hash) as string;
  const size = PIECE_UNITS - 16;
  const pieces = Math.max(1, Math.ceil(text.length / size));
  // The first piece last: it says how many there are, so whoever finds it finds all.
  for (let piece = pieces - 1; piece >= 0; piece--) {
    const part = text.slice(piece * size, (piece + 1) * size);
    yield writing(`${hash}.${piece}`, piece > 0 ? part : `${pieces}\n${part}`);
  }
  cache.stored.add(hash);
}

function* removeObject(cache: Cache, hash: string): Story<void> {
  const first = yield* read(`${hash}.0`);
  const pieces = Math.min(Number.parseInt(first ?? '1', 10) || 1, 1024);
  for (let piece = pieces - 1; piece >= 0; piece--) yield { do: 'remove', key: `${hash}.${piece}` };
  cache.stored.delete(hash);
}

function* readIndex(): Story<string[]> {
  try {
    const index: unknown = JSON.parse((yield* read('index')) ?? '');
    // Its names become keys, so they must be ours.
    return (index as unknown[]).filter((hash): hash is string => /^[0-9a-f]{64}$/.test(hash as string));
  } catch {
    return [];
  }
}

function parseHead(text: string | null, report?: (error: ReferenceDataError) => void): Head | undefined {
  if (text === null || isForeign(text)) return undefined;
  try {
    const head = JSON.parse(text) as Head;
    const current = asVersion(head.current);
    if (head.cacheFormat === CACHE_FORMAT && current) {
      return { ...head, current, previous: asVersion(head.previous) ?? null };
    }
  } catch {
    // Reported like any head that makes no sense.
  }
  report?.(new ReferenceDataError('cache_corrupt', 'the cache has no head that can be read'));
  return undefined;
}

// Of another release of the client, which may run in the next tab.
function isForeign(text: string | null): boolean {
  try {
    const format = (JSON.parse(text ?? 'null') as Head | null)?.cacheFormat;
    return typeof format === 'number' && format !== CACHE_FORMAT;
  } catch {
    return false;
  }
}
