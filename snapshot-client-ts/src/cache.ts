// The cache: docs/client.md section 8 has its keys, and why each write stands where it does.

import { blake3 } from './blake3.js';
import { fail, ReferenceDataError } from './errors.js';
import { compareOrder, isVersion, parseManifest, type Version } from './format.js';
import { type CacheOwner, type CacheStorage, type Generation, objectsOf, raiseMark } from './loaded.js';
import { attempt } from './maybe-promise.js';
import { type Action, perform, read, type Steps } from './steps.js';
import { createAccess, storageError } from './storage-access.js';
import type { Storage } from './storage-api.js';
import { encode } from './text.js';

interface Head {
  readonly cacheFormat: number;
  readonly current: Version;
  readonly previous: Version | null;
}

/** A cache and what is known of it. */
interface State extends CacheOwner {
  /** The hashes of objects that are known to be stored and right. */
  readonly stored: Set<string>;
  /** The head as it was last read or written; undefined before the first look. */
  head: string | null | undefined;
  /** The newest generation that was seen whole in the cache. */
  whole: Generation | undefined;
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
    open: (owner) => open(storage, owner),
  };
}

function open(storage: Storage, owner: CacheOwner): ReturnType<CacheStorage['open']> {
  const { access, prefix } = createAccess(storage, owner);
  const state: State = { ...owner, stored: new Set(), head: undefined, whole: undefined };
  let failed = false;
  // Once, until it works again: a full disk is no news at every poll.
  const report = (thrown: unknown): void => {
    if (!failed) owner.report(storageError(thrown, prefix));
    failed = true;
  };
  return {
    load: (current, isOver, found) => {
      const loaded = (generation: Generation | undefined): void => {
        if (!generation) return;
        // Of no use now, so the next look must find it again.
        if (isOver()) state.head = undefined;
        else found(generation);
      };
      return attempt(() => perform(load(state, current), access), loaded, report);
    },
    commit: async (next) => {
      const work = async (): Promise<void> => perform(commit(state, next), access);
      try {
        await (storage.lock ? storage.lock(`${prefix}head`, work) : work());
        failed = false;
      } catch (thrown) {
        report(thrown);
      }
    },
    watch: (changed) => storage.watch?.(`${prefix}head`, changed),
  };
}

/** Reads the head and, where it is another than last time, the newest whole generation that is of use. */
function* load(state: State, current: Version | undefined): Steps<Generation | undefined> {
  const text = yield* read('head');
  if (text === state.head) return undefined;
  forget(state, text);
  const head = parseHead(text, state.report);
  if (!head) return undefined;
  if (state.knows(head.current)) raiseMark(state.loaded, head.current);
  for (const version of [head.current, head.previous]) {
    if (!version || !state.knows(version)) continue;
    if (current && compareOrder(version, current) <= 0) return undefined;
    const generation = yield* loadGeneration(state, version);
    if (generation) {
      state.whole = generation;
      return generation;
    }
  }
  return undefined;
}

/** Stores a generation whose objects are all loaded, and makes the head name it last. */
function* commit(state: State, next: Generation): Steps<void> {
  const head = yield* read('head');
  const known = parseHead(head);
  const ahead = known ? compareOrder(known.current, next.version) : -1;
  if (head !== state.head) {
    // Another process was here: what it removed we cannot know.
    forget(state, state.head);
    if (ahead === 0) return;
  }
  if (isForeign(head) || ahead > 0) return;

  const objects = objectsOf(next);
  const retained = new Set([...objects, ...(state.whole ? objectsOf(state.whole) : [])]);
  // Before anything is written that may have to be removed: whenever we are killed, the next commit finds it.
  const index = new Set([...(yield* readIndex()), ...objects]);
  yield writing('index', JSON.stringify([...index]));
  for (const hash of objects) if (!state.stored.has(hash)) yield* writeObject(state, hash);

  if ((yield* read('head')) !== head) return;
  const text = checked(
    JSON.stringify({
      cacheFormat: CACHE_FORMAT,
      current: next.version,
      previous: state.whole?.version ?? null,
    }),
  );
  yield writing('head', text);
  state.head = text;
  state.whole = next;

  for (const hash of index) if (!retained.has(hash)) yield* removeObject(state, hash);
  yield writing('index', JSON.stringify([...retained]));
}

/** Nothing is known any more but this head. */
function forget(state: State, head: State['head']): void {
  state.head = head;
  state.stored.clear();
  state.whole = undefined;
}

function writing(key: string, value: string): Action {
  return { do: 'write', key, value };
}

function* loadGeneration(state: State, version: Version): Steps<Generation | undefined> {
  const text = yield* readObject(state, version.manifest.hash, 'manifest');
  if (text === undefined) return undefined;
  const manifest = parseManifest(text);
  let whole = true;
  // All of them, whatever is wrong with one: what is right need not be fetched again.
  for (const [key, { hash }] of Object.entries(manifest.tables)) {
    if ((yield* readObject(state, hash, key)) === undefined) whole = false;
  }
  return whole ? { version, manifest } : undefined;
}

function* readObject(state: State, hash: string, what: string): Steps<string | undefined> {
  let text = state.loaded.texts.get(hash);
  if (text !== undefined && state.stored.has(hash)) return text;
  try {
    text = yield* readPieces(hash);
    if (blake3(encode(text)) === hash) {
      state.loaded.texts.set(hash, text);
      state.stored.add(hash);
      return text;
    }
  } catch (thrown) {
    if (thrown instanceof ReferenceDataError && thrown.code !== 'cache_corrupt') state.report(thrown);
  }
  state.report(new ReferenceDataError('cache_corrupt', `${what} (${hash})`));
  return state.loaded.texts.get(hash);
}

function* readPieces(hash: string): Steps<string> {
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

function* writeObject(state: State, hash: string): Steps<void> {
  const text = state.loaded.texts.get(hash) as string;
  const pieces = piecesOf(text);
  // The first piece last: it says how many there are, so whoever finds it finds all.
  for (let piece = pieces.length - 1; piece >= 0; piece--) {
    const part = pieces[piece] as string;
    yield writing(`${hash}.${piece}`, piece > 0 ? part : `${pieces.length}\n${part}`);
  }
  state.stored.add(hash);
}

// Cut between characters: half of a surrogate pair has no UTF-8, and files are UTF-8.
function piecesOf(text: string): string[] {
  const pieces: string[] = [];
  let at = 0;
  do {
    let end = at + PIECE_UNITS - 16;
    if ((text.charCodeAt(end - 1) & 0xfc00) === 0xd800) end--;
    pieces.push(text.slice(at, end));
    at = end;
  } while (at < text.length);
  return pieces;
}

function* removeObject(state: State, hash: string): Steps<void> {
  const first = yield* read(`${hash}.0`);
  const pieces = Math.min(Number.parseInt(first ?? '1', 10) || 1, 1024);
  for (let piece = pieces - 1; piece >= 0; piece--) yield { do: 'remove', key: `${hash}.${piece}` };
  state.stored.delete(hash);
}

function* readIndex(): Steps<string[]> {
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
    const current = versionIn(head.current);
    if (head.cacheFormat === CACHE_FORMAT && current && !isDamaged(text)) {
      return { ...head, current, previous: versionIn(head.previous) ?? null };
    }
  } catch {
    // Reported like any head that makes no sense.
  }
  report?.(new ReferenceDataError('cache_corrupt', 'head'));
  return undefined;
}

// No hash names a head, and a digit of it that a disk has changed would be believed: a sequence too high would
// refuse every version to come.
function checked(text: string): string {
  const body = text.slice(0, -1);
  return `${body},"check":"${checkOf(body)}"}`;
}

// A head without a check is of a release that wrote none.
function isDamaged(text: string): boolean {
  const [, body, check] = /^(.*),"check":"(.*)"}$/s.exec(text) ?? [];
  return body !== undefined && check !== checkOf(body);
}

function checkOf(text: string): string {
  return blake3(encode(text)).slice(0, 16);
}

function versionIn(json: Version | null): Version | undefined {
  try {
    return json && isVersion(json) ? json : undefined;
  } catch {
    return undefined;
  }
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
