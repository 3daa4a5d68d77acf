// Source files, which people edit, read without a database.

import {
  bundledOf,
  compareText,
  type Local,
  type LocalRow,
  type LocalTable,
  refuse,
} from './local-source.js';

/**
 * Source files by table key, parsed: each a list of rows, or a map from a row's key to the row or to a value.
 * `{ grips: require('./tables/grips.json') }`, or what Vite gives for
 * `import.meta.glob('./tables/*.json', { eager: true })`: a path names the table by its last part.
 */
export type LocalFiles = Readonly<Record<string, unknown>>;

/** What the files do not say of a table, in the words of `tablecast.toml`. */
export interface LocalTableOptions {
  /** The columns of its primary key. Default `['id']`. */
  primaryKey?: readonly string[];
  /** In a map: the columns that an entry's key fills. Default: the primary key. */
  mapKey?: readonly string[];
  /** In a map: the column that an entry's value fills, where it is no row. Default `value`. */
  mapValue?: string;
  /** What columns hold that a row does not name: the defaults of the database. */
  defaults?: LocalRow;
  /** Keys of rows that are not read. */
  ignoreColumns?: readonly string[];
}

/** How files are read. */
export interface LocalJsonOptions {
  /** By table key; a table without special ways needs none. */
  tables?: Readonly<Record<string, LocalTableOptions>>;
}

/**
 * The local side over an app's own source files, as they are.
 *
 * Rows come as they are published: only active ones, without notes (keys that begin with `_`) and without
 * `source_type`, in order of `sort_order` and then of the primary key. A column that only other rows of its file
 * name is null, but `is_active`, which is true. Values are taken as they are written: where the database spells one in another way (a time, a
 * number that is published as text), ship what `publisher bundle` writes.
 */
export function localJson(files: LocalFiles, { tables: options = {} }: LocalJsonOptions = {}): Local {
  return () => {
    const problems: string[] = [];
    const given = new Map<string, unknown>();
    for (const [path, content] of Object.entries(files)) {
      const key = path.replace(/^.*\//, '').replace(/\.json$/, '');
      if (given.has(key)) problems.push(`${path} is a second file of ${key}`);
      given.set(key, contentOf(content));
    }
    for (const key of Object.keys(options))
      if (!given.has(key)) problems.push(`there is no file of ${key}, which the options name`);
    const tables = [...given].map(([key, content]) => [key, read(key, content, options, problems)] as const);
    refuse(problems);
    return bundledOf({ version: {}, tables });
  };
}

// A bundler's module of a JSON file has its content as `default`.
function contentOf(content: unknown): unknown {
  const isModule = Object.prototype.toString.call(content) === '[object Module]';
  return isModule ? (content as { default: unknown }).default : content;
}

function read(
  key: string,
  content: unknown,
  options: Readonly<Record<string, LocalTableOptions>>,
  problems: string[],
): LocalTable {
  const own = Object.entries(options).find(([name]) => name === key)?.[1] ?? {};
  const { primaryKey = ['id'], defaults = {}, ignoreColumns = [] } = own;
  const all = rowsOf(key, content, { primaryKey, ...own }, problems);
  const isPublished = (column: string): boolean =>
    !column.startsWith('_') && column !== 'source_type' && !ignoreColumns.includes(column);
  const columns = new Set([...Object.keys(defaults), ...all.flatMap((row) => Object.keys(row))]);
  const published = [...columns].filter(isPublished);
  const rows = all
    .filter((row) => row.is_active !== false)
    .map(
      (row): LocalRow =>
        Object.fromEntries(published.map((column) => [column, cell(column, row, defaults, ACTIVE)])),
    );
  rows.sort(inOrder(primaryKey));
  return { rows, primaryKey };
}

// A row is active unless it says otherwise.
const ACTIVE: LocalRow = { is_active: true };

// What the first of these names, by a key of its own: a column may be called `constructor`.
function cell(column: string, ...rows: LocalRow[]): unknown {
  const row = rows.find((row) => Object.hasOwn(row, column));
  return row?.[column] ?? null;
}

function rowsOf(
  key: string,
  content: unknown,
  { primaryKey, mapKey, mapValue = 'value' }: LocalTableOptions,
  problems: string[],
): LocalRow[] {
  const rows: LocalRow[] = [];
  const add = (place: string, row: unknown): void => {
    if (isObject(row)) rows.push(row);
    else problems.push(`${key}: ${place} is no object`);
  };
  if (Array.isArray(content)) {
    for (const [at, row] of content.entries()) add(`row ${at + 1}`, row);
  } else if (isObject(content)) {
    for (const [name, entry] of Object.entries(content)) {
      if (name.startsWith('_')) continue;
      const named = (mapKey ?? primaryKey ?? []).map((column) => [column, name] as const);
      rows.push({
        ...Object.fromEntries(named),
        ...(isObject(entry) ? entry : Object.fromEntries([[mapValue, entry]])),
      });
    }
  } else problems.push(`${key}: the file is neither a list nor a map`);
  return rows;
}

function isObject(value: unknown): value is LocalRow {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

// By `sort_order`, rows without one last, then by the primary key.
function inOrder(primaryKey: readonly string[]): (a: LocalRow, b: LocalRow) => number {
  const columns = ['sort_order', ...primaryKey];
  return (a, b) => {
    for (const column of columns) {
      const order = compare(a[column], b[column]);
      if (order !== 0) return order;
    }
    return 0;
  };
}

function compare(a: unknown, b: unknown): number {
  const [noA, noB] = [a === undefined || a === null, b === undefined || b === null];
  if (noA || noB) return Number(noA) - Number(noB);
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return compareText(`${a}`, `${b}`);
}
