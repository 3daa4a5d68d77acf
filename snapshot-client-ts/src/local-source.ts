// An app's own local data, as a provider takes it: whole, checked, in the order in which it is published.

import { fail, ReferenceDataError } from './errors.js';
import type { Version } from './format.js';
import { isPromise, type MaybePromise } from './maybe-promise.js';
import type { Bundled } from './snapshot.js';

/** What the local side of an app is: give it to a provider as `bundled`. */
export type Local = () => MaybePromise<Bundled>;

/** What local data says of itself; all of it may be left out. */
export type LocalVersion = Partial<Pick<Version, 'schemaVersion' | 'referenceVersion' | 'generatedAt'>>;

/** A row of local data. */
export type LocalRow = Readonly<Record<string, unknown>>;

/** An app's own local data, by four methods. Each may give a promise. */
export interface LocalSource {
  /** What the data is; `{}` where it has no version of its own. */
  getVersion(): MaybePromise<LocalVersion>;
  /** The keys of its tables, such as `exerciseCategories`. */
  getTableKeys(): MaybePromise<readonly string[]>;
  /** The rows of a table as they are published: only active ones, in their order. */
  getTable(key: string): MaybePromise<readonly LocalRow[]>;
  /** The columns of a table's primary key, such as `['id']`. */
  getPrimaryKey(key: string): MaybePromise<readonly string[]>;
}

/** A table of local data. */
export interface LocalTable {
  /** Its rows. */
  readonly rows: readonly LocalRow[];
  /** The columns of its primary key. */
  readonly primaryKey: readonly string[];
}

/** Local data as it was read. */
export interface LocalData {
  /** What it says of itself. */
  readonly version: LocalVersion;
  /** Its tables, by table key. */
  readonly tables: readonly (readonly [key: string, table: LocalTable])[];
}

/** How long local data may take to come, in milliseconds. */
const TIMEOUT_MS = 10_000;

/**
 * The local side over data that an app reads in its own way.
 *
 * It is read once, when the provider is made.
 */
export function localSource(source: LocalSource): Local {
  return () => bundledOf(readSource(source));
}

async function readSource(source: LocalSource): Promise<LocalData> {
  const [version, keys] = await Promise.all([source.getVersion(), source.getTableKeys()]);
  const tables = keys.map(async (key) => {
    const [rows, primaryKey] = await Promise.all([source.getTable(key), source.getPrimaryKey(key)]);
    return [key, { rows, primaryKey }] as const;
  });
  return { version, tables: await Promise.all(tables) };
}

/** What a provider takes, of local data; refuses what no app can use. */
export function bundledOf(data: MaybePromise<LocalData>): MaybePromise<Bundled> {
  return isPromise(data) ? inTime(data).then(bundled) : bundled(data);
}

/** Throws one error that names everything that is wrong. */
export function refuse(problems: readonly string[]): void {
  if (problems.length > 0) fail('no_data', `local: ${problems.join('; ')}`);
}

// Older than whatever was published: the first version that the server confirms takes its place.
function bundled({ version, tables }: LocalData): Bundled {
  const problems = tables.flatMap(([key, table]) => problemsOf(key, table));
  if (tables.length === 0) problems.push('there are no tables');
  // A database that was just made and not filled is the usual reason.
  else if (tables.every(([, { rows }]) => Array.isArray(rows) && rows.length === 0))
    problems.push(`none of the ${tables.length} tables has a row`);
  refuse(problems);
  const { schemaVersion = '1.0', referenceVersion = 'seq:0', generatedAt = '1970-01-01T00:00:00Z' } = version;
  const nothing = { hash: '0'.repeat(64), size: 0 };
  return {
    version: {
      formatVersion: 1,
      epoch: 0,
      sequence: 0,
      schemaVersion,
      referenceVersion,
      generatedAt,
      publishedAt: generatedAt,
      manifest: nothing,
      bootstrap: nothing,
    },
    bootstrap: {
      schemaVersion,
      referenceVersion,
      generatedAt,
      tables: Object.fromEntries(tables.map(([key, { rows }]) => [key, rows.map(canonical)])),
    },
    manifest: { tables: Object.fromEntries(tables.map(([key, { primaryKey }]) => [key, { primaryKey }])) },
  };
}

function problemsOf(key: string, { rows, primaryKey }: LocalTable): string[] {
  if (!/^[A-Za-z_]\w{0,62}$/.test(key)) return [`"${key}" is no table key`];
  if (!Array.isArray(rows)) return [`${key}: its rows are no list`];
  const problems: string[] = [];
  const first = new Map<string, number>();
  for (const [at, row] of rows.entries()) {
    const place = `${key}: row ${at + 1}`;
    if (typeof row !== 'object' || row === null || Array.isArray(row)) {
      problems.push(`${place} is no object`);
      continue;
    }
    const missing = primaryKey.filter((column) => row[column] === undefined || row[column] === null);
    if (missing.length > 0) {
      problems.push(`${place} has no ${missing.join(', ')}`);
      continue;
    }
    const id = JSON.stringify(primaryKey.map((column) => row[column]));
    const before = first.get(id);
    if (before) problems.push(`${place} has the key of row ${before}, ${id.slice(1, -1)}`);
    else first.set(id, at + 1);
  }
  return problems;
}

// Keys sorted at every depth, so that a table which the server has too need not be fetched.
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((element) => canonical(element ?? null));
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).filter(([, member]) => member !== undefined);
    members.sort(([a], [b]) => compareText(a, b));
    return Object.fromEntries(members.map(([name, member]) => [name, canonical(member)]));
  }
  // Of the two zeros one is published.
  return value === 0 ? 0 : value;
}

/** Compares texts by their bytes in UTF-8, as the publisher does; JavaScript's own order is another. */
export function compareText(a: string, b: string): number {
  for (let at = 0; at < a.length && at < b.length; at++) {
    const [left, right] = [rank(a.charCodeAt(at)), rank(b.charCodeAt(at))];
    if (left !== right) return left - right;
  }
  return a.length - b.length;
}

// Half of a surrogate pair stands for a character behind all that have none.
function rank(unit: number): number {
  return (unit & 0xf800) === 0xd800 ? unit + 0x2800 : unit;
}

// A database that never answers would keep its provider from ever beginning.
function inTime<T>(data: PromiseLike<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = (): void => reject(new ReferenceDataError('timeout', 'local: the data does not come'));
    const timer = setTimeout(late, TIMEOUT_MS);
    data.then(resolve, reject).then(() => clearTimeout(timer));
  });
}
