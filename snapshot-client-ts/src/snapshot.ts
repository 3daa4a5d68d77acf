import { blake3 } from './blake3.js';
import { fail } from './errors.js';
import { type Bootstrap, type TableEntry, tableObject, type Version } from './format.js';
import type { Generation } from './loaded.js';
import { encode } from './text.js';

/** The type of each table's rows, by table key; `publisher types` writes one. */
// biome-ignore lint/suspicious/noExplicitAny: rows of tables that no type describes
export type AnyTables = Record<string, any>;

/** Where a snapshot came from. */
export type Source = 'bundled' | 'cache' | 'network';

/** A version and all its tables, verified; it never changes. */
export interface Snapshot<T = AnyTables> {
  /** The version that points at it. */
  readonly version: Version;
  /** `major.minor` of the tables' shape. */
  readonly schemaVersion: string;
  /** `seq:N`, the database's own number of the state. */
  readonly referenceVersion: string;
  /** The moment of the data's last change, RFC 3339. */
  readonly generatedAt: string;
  /** The rows of every table, by table key; the same object each time. */
  readonly tables: { readonly [K in keyof T & string]: readonly T[K][] };
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
  /** The hash of the table object; of a bundled table that of the object which its rows make. */
  hash(key: string): string | undefined;
}

/** What an app ships: two published files as they are, parsed. */
export interface Bundled {
  /** The content of `version.json`. */
  readonly version: Version;
  /** The content of the bootstrap object that it names. */
  readonly bootstrap: Bootstrap;
  /** The content of the manifest that it names; for the primary keys of tables whose key is not `id`. */
  readonly manifest?: BundledManifest;
}

/** As much of a manifest as a bundled snapshot is read by. */
export interface BundledManifest {
  /** What is known of each table, by table key. */
  readonly tables: Readonly<Record<string, Pick<TableEntry, 'primaryKey'> & Partial<TableEntry>>>;
}

/** The snapshot that an app ships. */
export function bundledSnapshot<T>({ version, bootstrap, manifest }: Bundled): Snapshot<T> {
  const { tables } = bootstrap;
  return snapshotOf(version, 'bundled', tables, (key) => tables[key] as unknown[], manifest);
}

/** The snapshot of a generation whose objects are these texts, by hash. */
export function fetchedSnapshot<T>(
  { version, manifest }: Generation,
  source: Source,
  texts: ReadonlyMap<string, string>,
): Snapshot<T> {
  const { tables } = manifest;
  const parse = (key: string): unknown[] => JSON.parse(texts.get(tables[key]?.hash as string) as string).rows;
  return snapshotOf(version, source, tables, parse, manifest);
}

/** The keys of the tables that are not the same in both, sorted. */
export function changedTables<T>(from: Snapshot<T> | undefined, to: Snapshot<T> | undefined): string[] {
  const keys = new Set([from, to].flatMap((snapshot) => snapshot?.tableKeys ?? []));
  return [...keys].filter((key) => from?.hash(key) !== to?.hash(key)).sort();
}

/**
 * A table of a snapshot as the object that it was published in.
 *
 * Of a bundled table as well as that can be told: keys that look like numbers may have changed places when the
 * app's bundler parsed them. Whoever uses it compares its hash.
 */
export function objectOf<T>(snapshot: Snapshot<T>, key: string): string {
  const rows = snapshot.table(key as keyof T & string).map((row) => JSON.stringify(row));
  return tableObject(snapshot.schemaVersion, key, rows.join(',\n'));
}

// Each table is parsed, hashed and indexed once, when that is first asked for.
function snapshotOf<T>(
  version: Version,
  source: Source,
  tables: object,
  parse: (key: string) => readonly unknown[],
  manifest: BundledManifest | undefined,
): Snapshot<T> {
  const tableKeys = Object.freeze(Object.keys(tables).sort()) as readonly (keyof T & string)[];
  const keys: readonly string[] = tableKeys;
  const has = (key: string): boolean => keys.includes(key);
  const entryOf = (key: string) => (has(key) ? manifest?.tables[key] : undefined);
  const table = once((key): readonly unknown[] => {
    if (!has(key)) fail('unknown_table', `${key}; there are ${keys}`);
    return Object.freeze(parse(key).map(Object.freeze));
  });
  const indexOf = once((key) => {
    const columns = entryOf(key)?.primaryKey ?? ['id'];
    const keyOf = (row: Record<string, unknown>): string => columns.map((column) => row[column]).join();
    return new Map((table(key) as Record<string, unknown>[]).map((row) => [keyOf(row), row]));
  });
  const all = once(() => Object.freeze(Object.fromEntries(keys.map((key) => [key, table(key)]))));
  const hashOf = once((key): string => blake3(encode(objectOf(snapshot, key))));
  const snapshot: Snapshot<T> = Object.freeze({
    // The wrapper's fields, and its tables.
    ...version,
    get tables() {
      return all('') as Snapshot<T>['tables'];
    },
    version,
    source,
    tableKeys,
    has,
    table: table as Snapshot<T>['table'],
    row: ((key, id) => indexOf(key).get(`${id}`)) as Snapshot<T>['row'],
    schemaFingerprint: (key: string) => entryOf(key)?.schemaFingerprint,
    // What a bundler has parsed is known by what it makes, whatever a manifest says.
    hash: (key: string) => (source === 'bundled' && has(key) ? hashOf(key) : entryOf(key)?.hash),
  });
  return snapshot;
}

function once<V extends object | string>(make: (key: string) => V): (key: string) => V {
  const made = new Map<string, V>();
  return (key) => made.get(key) ?? (made.set(key, make(key)).get(key) as V);
}
