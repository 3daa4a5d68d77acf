import { fail } from './errors.js';
import { type Bootstrap, type Manifest, tableObject, type Version } from './format.js';
import type { Generation } from './held.js';

/** The type of each table's rows, by table key; `publisher types` writes one. */
// biome-ignore lint/suspicious/noExplicitAny: rows of tables that no type describes
export type AnyTables = Record<string, any>;

/** Where a snapshot came from. */
export type Source = 'bundled' | 'cache' | 'network';

/** A version and all its tables, verified; it never changes. */
export interface Snapshot<T = AnyTables> {
  /** The version that points at it. */
  readonly version: Version;
  /** Where it came from. */
  readonly source: Source;
  /** The keys of its tables, sorted. */
  readonly tableKeys: readonly (keyof T & string)[];
  /** Whether it has this table. */
  has(key: string): boolean;
  /** The rows of a table, frozen, the same list each time; throws `unknown_table`. */
  table<K extends keyof T & string>(key: K): readonly T[K][];
  /** One row by its primary key, the columns of a key of several joined by a comma; throws `unknown_table`. */
  row<K extends keyof T & string>(key: K, id: string | number): T[K] | undefined;
  /** What ties the table's columns to generated types; nothing for a bundled table without a manifest. */
  schemaFingerprint(key: string): string | undefined;
  /** The hash of the table object; nothing for a bundled table without a manifest. */
  hash(key: string): string | undefined;
}

/** What an app ships: two published files as they are, parsed. */
export interface Bundled {
  /** The content of `version.json`. */
  readonly version: Version;
  /** The content of the bootstrap object that it names. */
  readonly bootstrap: Bootstrap;
  /** The content of the manifest that it names; only for the primary keys of tables whose key is not `id`. */
  readonly manifest?: Manifest;
}

/** Where the rows of a snapshot come from. */
export interface Tables {
  readonly keys: readonly string[];
  readonly manifest: Manifest | undefined;
  /** Called once per table. */
  rows(key: string): readonly unknown[];
}

/** A snapshot over these tables, each parsed when it is first read. */
export function snapshotOf<T>(version: Version, source: Source, tables: Tables): Snapshot<T> {
  const parsed = new Map<string, readonly unknown[]>();
  const indexes = new Map<string, Map<string, unknown>>();
  const known = new Set(tables.keys);
  const entryOf = (key: string) => (known.has(key) ? tables.manifest?.tables[key] : undefined);
  const rowsOf = (key: string): readonly unknown[] => {
    let rows = parsed.get(key);
    if (!rows) {
      if (!known.has(key)) fail('unknown_table', `no table "${key}"; there are ${tables.keys}`);
      rows = freezeRows(tables.rows(key));
      parsed.set(key, rows);
    }
    return rows;
  };
  const indexOf = (key: string): Map<string, unknown> => {
    let index = indexes.get(key);
    if (!index) {
      const columns = entryOf(key)?.primaryKey ?? ['id'];
      index = new Map();
      for (const row of rowsOf(key)) {
        index.set(columns.map((column) => (row as Record<string, unknown>)[column]).join(), row);
      }
      indexes.set(key, index);
    }
    return index;
  };
  return Object.freeze({
    version,
    source,
    tableKeys: Object.freeze([...tables.keys]) as readonly (keyof T & string)[],
    has: (key: string) => known.has(key),
    table: <K extends keyof T & string>(key: K) => rowsOf(key) as readonly T[K][],
    row: <K extends keyof T & string>(key: K, id: string | number) =>
      indexOf(key).get(String(id)) as T[K] | undefined,
    schemaFingerprint: (key: string) => entryOf(key)?.schemaFingerprint,
    hash: (key: string) => entryOf(key)?.hash,
  });
}

/** The snapshot that an app ships. */
export function bundledSnapshot<T>(bundled: Bundled): Snapshot<T> {
  const { tables } = bundled.bootstrap;
  return snapshotOf(bundled.version, 'bundled', {
    keys: Object.keys(tables).sort(),
    manifest: bundled.manifest,
    rows: (key) => tables[key] as readonly unknown[],
  });
}

/** The snapshot of a generation whose objects these texts hold, by hash. */
export function fetchedSnapshot<T>(
  { version, manifest }: Generation,
  source: Source,
  texts: ReadonlyMap<string, string>,
): Snapshot<T> {
  return snapshotOf(version, source, {
    keys: Object.keys(manifest.tables).sort(),
    manifest,
    rows: (key) => JSON.parse(texts.get(manifest.tables[key]?.hash as string) as string).rows,
  });
}

/** The keys of the tables that are not the same in both, sorted. */
export function changedTables<T>(from: Snapshot<T> | undefined, to: Snapshot<T>): readonly string[] {
  if (!from) return to.tableKeys;
  const keys = from === to ? [] : [...new Set([...from.tableKeys, ...to.tableKeys])].sort();
  return keys.filter((key) => {
    if (!from.has(key) || !to.has(key)) return true;
    const hash = from.hash(key);
    if (hash && to.hash(key)) return hash !== to.hash(key);
    return JSON.stringify(from.table(key)) !== JSON.stringify(to.table(key));
  });
}

/**
 * A bundled table as the table object that it was published in, as well as that can be told.
 *
 * Whoever uses it compares its hash: keys that look like numbers may have changed places when the app's
 * bundler parsed them.
 */
export function bundledObject<T>(bundled: Snapshot<T>, schemaVersion: string, key: string): string {
  const rows = bundled.table(key as keyof T & string).map((row) => JSON.stringify(row));
  const last = rows.length - 1;
  return tableObject(
    schemaVersion,
    key,
    rows.map((row, index) => (index < last ? `${row},` : row)),
  );
}

function freezeRows(rows: readonly unknown[]): readonly unknown[] {
  for (const row of rows) Object.freeze(row);
  return Object.freeze(rows);
}
