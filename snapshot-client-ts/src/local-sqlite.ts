// The tables of an SQLite database: one that `publisher bundle --sqlite` has written, or the app's own.

import { fail } from './errors.js';
import {
  bundledOf,
  compareText,
  type Local,
  type LocalData,
  type LocalRow,
  type LocalTable,
  type LocalVersion,
  refuse,
} from './local-source.js';
import type { MaybePromise } from './maybe-promise.js';

/** As much of an SQLite database as is asked for; that of `expo-sqlite` is one as it is. */
export interface SqliteDatabase {
  /** The rows that a statement without parameters gives, each by its columns' names. */
  getAllAsync(sql: string): Promise<unknown[]>;
}

/** How a database of an app's own is read. One that `publisher bundle` has written needs none of it. */
export interface LocalSqliteOptions {
  /** The SQL names of the tables that are reference data. Default: every table. */
  tables?: readonly string[];
  /** Columns that hold JSON as text, `column` or `table.column`; those declared JSON do without. */
  json?: readonly string[];
  /** Columns that hold booleans as 0 and 1; `is_active` and those declared BOOLEAN do without. */
  booleans?: readonly string[];
}

/**
 * The local side over an SQLite database, or over a function that opens one.
 *
 * Rows come as they are published: only active ones, without `source_type`, in order of `sort_order` and then of the
 * primary key; `exercise_categories` is `exerciseCategories`. A blob is base64. Nothing is written, and no transaction
 * is begun: where something else writes meanwhile, all is read again.
 */
export function localSqlite(
  database: MaybePromise<SqliteDatabase> | (() => MaybePromise<SqliteDatabase>),
  options: LocalSqliteOptions = {},
): Local {
  return () => bundledOf(read(database, options));
}

async function read(
  database: MaybePromise<SqliteDatabase> | (() => MaybePromise<SqliteDatabase>),
  options: LocalSqliteOptions,
): Promise<LocalData> {
  const opened = await (typeof database === 'function' ? database() : database);
  const query = async (sql: string): Promise<LocalRow[]> => (await opened.getAllAsync(sql)) as LocalRow[];
  for (let tries = 0; tries < 3; tries++) {
    const before = await stateOf(query);
    const data = await readOnce(query, options);
    if ((await stateOf(query)) === before) return data;
  }
  return fail('no_data', 'local: the database is written all the time');
}

/** A database behind `better-sqlite3`, or behind Node's own `node:sqlite`. */
export function betterSqlite3(database: { prepare(sql: string): { all(): unknown[] } }): SqliteDatabase {
  return { getAllAsync: async (sql) => database.prepare(sql).all() };
}

/** A database behind `sql.js`. */
export function sqlJs(database: {
  exec(sql: string): { columns: string[]; values: unknown[][] }[];
}): SqliteDatabase {
  return {
    getAllAsync: async (sql) =>
      database
        .exec(sql)
        .flatMap(({ columns, values }) =>
          values.map((row) => Object.fromEntries(columns.map((name, at) => [name, row[at]]))),
        ),
  };
}

type Query = (sql: string) => Promise<LocalRow[]>;

/** A column of a table. */
interface Column {
  readonly table: string;
  readonly name: string;
  readonly kind: 'boolean' | 'json' | 'plain';
  /** Its place in the primary key, from 1; 0 where it is not of the key. */
  readonly key: number;
}

const METADATA = 'reference_metadata';

// Moves with every write of this connection, and of every other one.
async function stateOf(query: Query): Promise<string> {
  const sql =
    'SELECT total_changes() AS a, (SELECT data_version FROM pragma_data_version) AS b, (SELECT schema_version FROM pragma_schema_version) AS c';
  return JSON.stringify(await query(sql), (_, value) => (typeof value === 'bigint' ? `${value}` : value));
}

async function readOnce(query: Query, options: LocalSqliteOptions): Promise<LocalData> {
  const problems: string[] = [];
  const columns = await readColumns(query, options);
  const known = new Map<string, Column[]>();
  for (const column of columns) known.set(column.table, [...(known.get(column.table) ?? []), column]);
  const published = await readMetadata(query, known);
  const isOurs = (name: string): boolean =>
    published ? published.keys.has(name) : name !== METADATA && name !== 'android_metadata';
  const names = options.tables ?? [...known.keys()].filter(isOurs);
  const tables = new Map<string, LocalTable>();
  for (const name of names) {
    const columns = known.get(name);
    const key = published?.keys.get(name) ?? keyOf(name);
    if (!columns) problems.push(`there is no table ${name}`);
    else if (tables.has(key)) problems.push(`two tables are ${key}`);
    else tables.set(key, await readTable(query, name, columns, published !== undefined, problems));
  }
  refuse(problems);
  return { version: published?.version ?? {}, tables: [...tables] };
}

async function readColumns(
  query: Query,
  { json = [], booleans = [] }: LocalSqliteOptions,
): Promise<Column[]> {
  const found = await query(
    "SELECT m.name AS t, c.name AS n, c.type AS k, c.pk AS p FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY m.name, c.cid",
  );
  return found.map(({ t, n, k, p }) => {
    const [table, name, declared] = [`${t}`, `${n}`, `${k}`.toUpperCase()];
    const isOf = (list: readonly string[]): boolean =>
      list.includes(name) || list.includes(`${table}.${name}`);
    const kind =
      name === 'is_active' || /^BOOL(EAN)?$/.test(declared) || isOf(booleans)
        ? 'boolean'
        : /^JSONB?$/.test(declared) || isOf(json)
          ? 'json'
          : 'plain';
    return { table, name, kind, key: Number(p) };
  });
}

/** What `publisher bundle` says of its tables; nothing where the database is none of its own. */
async function readMetadata(
  query: Query,
  known: ReadonlyMap<string, readonly Column[]>,
): Promise<{ version: LocalVersion; keys: Map<string, string> } | undefined> {
  if (!known.get(METADATA)?.some(({ name }) => name === 'table_key')) return undefined;
  const rows = await query(
    `SELECT table_name AS t, table_key AS k, schema_version AS s, reference_version AS r, last_updated AS g FROM ${METADATA}`,
  );
  const first = rows[0];
  return {
    version: first
      ? { schemaVersion: `${first.s}`, referenceVersion: `${first.r}`, generatedAt: `${first.g}` }
      : {},
    keys: new Map(rows.map(({ t, k }) => [`${t}`, `${k}`])),
  };
}

async function readTable(
  query: Query,
  name: string,
  all: readonly Column[],
  isBundle: boolean,
  problems: string[],
): Promise<LocalTable> {
  const columns = all.filter((column) => column.name !== 'source_type');
  const has = (wanted: string): boolean => columns.some((column) => column.name === wanted);
  const keys = columns.filter(({ key }) => key > 0).sort((a, b) => a.key - b.key);
  const order = isBundle
    ? // As it was published; by what, only PostgreSQL knows of some types.
      ['rowid', '_rowid_', 'oid']
        .filter((alias) => !all.some((column) => column.name.toLowerCase() === alias))
        .slice(0, 1)
    : [
        ...(has('sort_order') ? ['"sort_order" IS NULL', '"sort_order"'] : []),
        ...keys.map((column) => `${quoted(column.name)} COLLATE BINARY`),
      ];
  // By number: an object of the platform's may not have every name.
  const selected = columns.map((column, at) => `${quoted(column.name)} AS c${at}`);
  const found = await query(
    `SELECT ${selected.join(', ')} FROM ${quoted(name)}${has('is_active') ? ' WHERE "is_active" IS NOT 0' : ''}${
      order.length > 0 ? ` ORDER BY ${order.join(', ')}` : ''
    }`,
  );
  const sorted = columns.map((column, at) => ({ ...column, at }));
  sorted.sort((a, b) => compareText(a.name, b.name));
  const rows = found.map((row, number): LocalRow => {
    const value = (column: Column & { at: number }): unknown => {
      try {
        return published(row[`c${column.at}`], column.kind);
      } catch (thrown) {
        problems.push(`${name}: row ${number + 1}: ${column.name}: ${(thrown as Error).message}`);
        return null;
      }
    };
    return Object.fromEntries(sorted.map((column) => [column.name, value(column)]));
  });
  return { rows, primaryKey: keys.map((column) => column.name) };
}

function published(value: unknown, kind: Column['kind']): unknown {
  if (value === null || value === undefined) return null;
  if (typeof value === 'bigint') return published(safe(value), kind);
  if (kind === 'boolean' && typeof value === 'number') return value !== 0;
  if (kind === 'json' && typeof value === 'string') return JSON.parse(value);
  if (typeof value === 'number' && !Number.isFinite(value)) throw new Error(`${value} is no number in JSON`);
  if (typeof value === 'object') return base64(value as Uint8Array);
  return value;
}

function safe(value: bigint): number {
  if (BigInt(Number(value)) === value && Number.isSafeInteger(Number(value))) return Number(value);
  throw new Error(`${value} is beyond what a number holds`);
}

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

function base64(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 3) {
    const [a = 0, b, c] = [bytes[at], bytes[at + 1], bytes[at + 2]];
    const bits = (a << 16) | ((b ?? 0) << 8) | (c ?? 0);
    text += DIGITS[bits >> 18]! + DIGITS[(bits >> 12) & 63]!;
    text +=
      (b === undefined ? '=' : DIGITS[(bits >> 6) & 63]!) + (c === undefined ? '=' : DIGITS[bits & 63]!);
  }
  return text;
}

// `exercise_categories` is `exerciseCategories`: each `_` between two characters is dropped, and the letter behind it
// made upper case.
function keyOf(name: string): string {
  let key = '';
  let raise = false;
  for (const character of name) {
    if (character === '_' && key !== '') raise = true;
    else {
      key += raise ? character.toUpperCase() : character;
      raise = false;
    }
  }
  return key;
}

function quoted(name: string): string {
  return `"${name.replace(/"/g, '""')}"`;
}
