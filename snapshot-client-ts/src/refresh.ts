// One refresh: from a version.json to a generation whose objects are all verified and held.
// docs/client.md section 3 is this file in words.

import { blake3 } from './blake3.js';
import { asError, fail, type ReferenceDataError } from './errors.js';
import {
  compareOrder,
  hasTable,
  MANIFEST_MAX_BYTES,
  type Manifest,
  majorOf,
  OBJECT_MAX_BYTES,
  type ObjectRef,
  parseManifest,
  parseVersion,
  splitBootstrap,
  type TableEntry,
  VERSION_MAX_BYTES,
  type Version,
} from './format.js';
import type { Cache, Generation } from './held.js';
import { type FetchRequest, type FetchResponse, type FetchResult, fetchAll, type Story } from './story.js';
import { decode, encode } from './text.js';

/** What one refresh needs to know. */
export interface RefreshRules {
  /** What is shown now. */
  readonly shown: Version | undefined;
  /** The majors of `schemaVersion` that the app knows. */
  readonly schemaMajors: readonly number[];
  /** Tables without which a version is of no use to the app. */
  readonly requiredTables: readonly string[];
  /** The bundled table as a table object of this `schemaVersion`, where there is one. */
  bundledObject(schemaVersion: string, key: string): string | undefined;
}

interface Wanted extends ObjectRef {
  readonly path: string;
  readonly limitBytes: number;
}

// What a request costs beside its body, in bytes: headers both ways.
const REQUEST_BYTES = 512;
const MAX_RETRY_AFTER_MS = 3_600_000;

/** The newest generation, or nothing where the version shown is the newest; throws what stands in the way. */
export function* refresh(cache: Cache, rules: RefreshRules): Story<Generation | undefined> {
  let version = yield* fetchVersion(cache, rules);
  for (let again = false; ; again = true) {
    if (rules.shown && compareOrder(version, rules.shown) === 0) return undefined;
    try {
      return yield* fetchGeneration(cache, rules, version);
    } catch (thrown) {
      if (again || (thrown as ReferenceDataError).code !== 'object_missing') throw thrown;
      // Pruned since, or we were told an old pointer.
      const newer = parseVersion(yield* fetchVersionText(true));
      if (compareOrder(newer, version) <= 0) throw thrown;
      check(cache, rules, newer);
      version = newer;
    }
  }
}

function* fetchVersion(cache: Cache, rules: RefreshRules): Story<Version> {
  let version = parseVersion(yield* fetchVersionText(false));
  try {
    check(cache, rules, version);
  } catch (thrown) {
    if ((thrown as ReferenceDataError).code !== 'version_regressed') throw thrown;
    version = parseVersion(yield* fetchVersionText(true));
    check(cache, rules, version);
  }
  return version;
}

function check(cache: Cache, { shown, schemaMajors }: RefreshRules, offered: Version): void {
  const name = `${offered.epoch}-${offered.sequence}`;
  // Without anything to show there is nothing to fall behind.
  if (shown && cache.mark && compareOrder(offered, cache.mark) < 0) {
    const { epoch, sequence } = cache.mark;
    fail(
      'version_regressed',
      `the server offers version ${name}, and ${epoch}-${sequence} was verified already; some cache is behind`,
    );
  }
  if (shown && compareOrder(offered, shown) === 0 && offered.manifest.hash !== shown.manifest.hash) {
    fail('version_conflict', `there are two versions ${name} with different content`);
  }
  if (!schemaMajors.includes(majorOf(offered))) {
    fail(
      'schema_unsupported',
      `version ${name} has schema ${offered.schemaVersion}, this app knows ${schemaMajors.join(', ')}; update the app`,
      { offered: offered.schemaVersion },
    );
  }
}

function* fetchVersionText(again: boolean): Story<string> {
  const request: FetchRequest = { path: 'version.json', limitBytes: VERSION_MAX_BYTES, again };
  const [result] = yield* fetchAll([request]);
  const bytes = bodyOf(request, result as FetchResult);
  return textOf(bytes, (result as FetchResponse).body);
}

function* fetchGeneration(cache: Cache, rules: RefreshRules, version: Version): Story<Generation> {
  const { hash, size } = version.manifest;
  const wanted = { hash, size, path: `manifests/${hash}.json`, limitBytes: MANIFEST_MAX_BYTES };
  yield* fetchObjects(cache, [wanted]);
  const manifest = parseManifest(cache.held.get(hash) as string);
  const missing = rules.requiredTables.filter((key) => !hasTable(manifest, key));
  if (missing.length > 0) {
    fail('table_missing', `the manifest ${hash} lacks ${missing.join(', ')}`);
  }
  holdBundled(cache, rules, manifest);
  yield* fetchTables(cache, version, manifest);
  return { version, manifest };
}

// What the app shipped need not be fetched. Sizes come first: a hash costs more.
function holdBundled(cache: Cache, rules: RefreshRules, manifest: Manifest): void {
  for (const [key, entry] of lacking(cache, manifest)) {
    const text = rules.bundledObject(manifest.schemaVersion, key);
    if (text === undefined || text.length > entry.size) continue;
    const bytes = encode(text);
    if (bytes.length === entry.size && blake3(bytes) === entry.hash) cache.held.set(entry.hash, text);
  }
}

function* fetchTables(cache: Cache, version: Version, manifest: Manifest): Story<void> {
  const tables = lacking(cache, manifest);
  const bootstrap: Wanted = {
    ...version.bootstrap,
    path: `bootstrap/${version.bootstrap.hash}.json`,
    limitBytes: OBJECT_MAX_BYTES,
  };
  const apart = tables.filter(([, entry]) => !entry.inBootstrap);
  if (cost([bootstrap, ...apart.map(([, entry]) => entry)]) < cost(tables.map(([, entry]) => entry))) {
    yield* fetchObjects(cache, [bootstrap]);
    const text = cache.held.get(bootstrap.hash) as string;
    cache.held.delete(bootstrap.hash);
    for (const [key, table] of splitBootstrap(text)) {
      const entry = hasTable(manifest, key) && manifest.tables[key];
      // Its bytes are verified as part of the bootstrap.
      if (entry) cache.held.set(entry.hash, table);
    }
  }
  yield* fetchObjects(
    cache,
    lacking(cache, manifest).map(([key, { hash, size }]) => ({
      hash,
      size,
      path: `tables/${key}/${hash}.json`,
      limitBytes: OBJECT_MAX_BYTES,
    })),
  );
}

function lacking(cache: Cache, manifest: Manifest): [string, TableEntry][] {
  return Object.entries(manifest.tables).filter(([, entry]) => !cache.held.has(entry.hash));
}

function cost(objects: readonly ObjectRef[]): number {
  return objects.reduce((sum, { size }) => sum + size + REQUEST_BYTES, 0);
}

// Holds all of these that are right, then throws for the first that is not. What is wrong is fetched a second
// time past the caches, since a damaged copy may lie in one of them for ever.
function* fetchObjects(cache: Cache, objects: readonly Wanted[]): Story<void> {
  let left = objects.filter(({ hash }) => !cache.held.has(hash));
  for (const again of [false, true]) {
    for (const { path, size, limitBytes } of left) {
      if (size > limitBytes) fail('too_large', `${path}: ${size} bytes are announced`);
    }
    const results =
      left.length > 0
        ? yield* fetchAll(left.map(({ path, size }) => ({ path, limitBytes: size, again })))
        : [];
    const wrong: Wanted[] = [];
    const errors: ReferenceDataError[] = [];
    for (const [index, wanted] of left.entries()) {
      try {
        hold(cache, wanted, results[index] as FetchResult);
      } catch (thrown) {
        const error = thrown as ReferenceDataError;
        errors.push(error);
        if (error.code === 'hash_mismatch' || error.code === 'too_large') wrong.push(wanted);
      }
    }
    const worst = errors.find(({ code }) => code === 'object_missing') ?? errors[0];
    if (worst && (again || wrong.length < errors.length)) throw worst;
    left = wrong;
  }
}

function hold(cache: Cache, { path, hash, size }: Wanted, result: FetchResult): void {
  const bytes = bodyOf({ path, limitBytes: size }, result);
  const found = blake3(bytes);
  if (bytes.length !== size || found !== hash) {
    fail('hash_mismatch', `${path}: got ${bytes.length} bytes with hash ${found}`);
  }
  cache.held.set(hash, textOf(bytes, (result as FetchResponse).body));
}

function bodyOf({ path, limitBytes }: FetchRequest, result: FetchResult): Uint8Array {
  if (result instanceof Error) throw asError(result, 'network', path);
  const { status, body } = result;
  if (status !== 200) {
    const gone = (status === 404 || status === 410) && path !== 'version.json';
    fail(gone ? 'object_missing' : 'http_status', `${path}: status ${status}`, {
      status,
      retryAfterMs: status === 429 || status === 503 ? retryAfterMs(result) : undefined,
    });
  }
  const bytes = typeof body === 'string' ? encode(body) : body;
  if (bytes.length > limitBytes) {
    fail('too_large', `${path}: more than ${limitBytes} bytes`);
  }
  return bytes;
}

function textOf(bytes: Uint8Array, body: Uint8Array | string): string {
  return typeof body === 'string' ? body : decode(bytes);
}

// A date is compared with the server's own: ours may be a day off.
function retryAfterMs({ retryAfter, date }: FetchResponse): number | undefined {
  if (!retryAfter) return undefined;
  const wait = /^\d+$/.test(retryAfter.trim())
    ? Number(retryAfter) * 1000
    : Date.parse(retryAfter) - (date ? Date.parse(date) : Date.now());
  return Number.isNaN(wait) ? undefined : Math.min(Math.max(wait, 0), MAX_RETRY_AFTER_MS);
}
