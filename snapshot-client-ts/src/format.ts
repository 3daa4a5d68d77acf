// The snapshot format, version 1, as far as a reader needs it: docs/snapshot-format.md.

import { blake3 } from './blake3.js';
import { fail } from './errors.js';
import { encode } from './text.js';

/** A hash and the number of bytes that it is of. */
export interface ObjectRef {
  /** BLAKE3-256 in 64 hexadecimal digits: the object's name. */
  readonly hash: string;
  /** Uncompressed size in bytes. */
  readonly size: number;
}

/** `version.json`: the small file that points at a snapshot. */
export interface Version {
  /** 1. */
  readonly formatVersion: number;
  /** The second at which the store was first made. */
  readonly epoch: number;
  /** Grows by one with each publication. */
  readonly sequence: number;
  /** `major.minor` of the tables' shape. */
  readonly schemaVersion: string;
  /** `seq:N`, the database's own number of the state. */
  readonly referenceVersion: string;
  /** The moment of the data's last change, RFC 3339. */
  readonly generatedAt: string;
  /** The moment of the publication, RFC 3339. */
  readonly publishedAt: string;
  /** What belongs to the snapshot. */
  readonly manifest: ObjectRef;
  /** Every table in one object. */
  readonly bootstrap: ObjectRef;
}

/** One table as the manifest has it. */
export interface TableEntry extends ObjectRef {
  /** How many rows it has. */
  readonly rows: number;
  /** Whether the bootstrap object holds it. */
  readonly inBootstrap: boolean;
  /** The columns of its primary key. */
  readonly primaryKey: readonly string[];
  /** Ties the table's columns and their types to types that were generated. */
  readonly schemaFingerprint: string;
}

/** The objects of one snapshot. */
export interface Manifest {
  /** `major.minor` of the tables' shape. */
  readonly schemaVersion: string;
  /** The table objects, by table key. */
  readonly tables: Readonly<Record<string, TableEntry>>;
}

/** The parsed content of a bootstrap object. */
export interface Bootstrap {
  /** `major.minor` of the tables' shape. */
  readonly schemaVersion: string;
  /** `seq:N`. */
  readonly referenceVersion: string;
  /** The moment of the data's last change. */
  readonly generatedAt: string;
  /** Rows by table key. */
  readonly tables: Readonly<Record<string, readonly unknown[]>>;
}

/** What `(epoch, sequence)` sorts by. */
export type Order = Pick<Version, 'epoch' | 'sequence'>;

/** The largest `version.json`, in bytes. */
export const VERSION_MAX_BYTES = 1024;
/** The largest manifest, in bytes. */
export const MANIFEST_MAX_BYTES = 16_777_216;
/** The largest object that this client takes, in bytes. */
export const OBJECT_MAX_BYTES = 33_554_432;

const FORMAT_VERSION = 1;
const HASH = /^[0-9a-f]{64}$/;
const TABLE_KEY = /^[A-Za-z_]\w{0,62}$/;

/** Below zero where the first is older, above zero where it is newer. */
export function compareOrder(a: Order, b: Order): number {
  return a.epoch - b.epoch || a.sequence - b.sequence;
}

/** The number before the point of a `schemaVersion`. */
export function majorOf(version: Pick<Version, 'schemaVersion'>): number {
  return Number.parseInt(version.schemaVersion, 10);
}

/** Reads a `version.json`; throws `not_json` or `format_unsupported`. */
export function parseVersion(text: string): Version {
  const json = parseFormat('version.json', text);
  return asVersion(json) ?? refuse('version.json');
}

/** The same of JSON that is parsed already; nothing where it is not a version. */
export function asVersion(json: unknown): Version | undefined {
  const v = json as Version | null;
  const fits =
    typeof v === 'object' &&
    v !== null &&
    v.formatVersion === FORMAT_VERSION &&
    isCount(v.epoch) &&
    isCount(v.sequence) &&
    isSchemaVersion(v.schemaVersion) &&
    isReferenceVersion(v.referenceVersion) &&
    typeof v.generatedAt === 'string' &&
    typeof v.publishedAt === 'string' &&
    isRef(v.manifest) &&
    isRef(v.bootstrap);
  return fits ? v : undefined;
}

/** Reads a manifest whose bytes are verified; throws `not_json` or `format_unsupported`. */
export function parseManifest(text: string): Manifest {
  const name = 'manifest';
  const m = parseFormat(name, text) as unknown as Manifest & { bootstrap: ObjectRef; contentHash: string };
  if (!isSchemaVersion(m.schemaVersion) || !isRef(m.bootstrap) || !isObject(m.tables)) return refuse(name);
  let lines = '';
  for (const key of Object.keys(m.tables).sort()) {
    const table = m.tables[key] as TableEntry;
    if (!TABLE_KEY.test(key) || !isRef(table) || !Array.isArray(table.primaryKey)) return refuse(name);
    lines += `${table.hash}  ${key}\n`;
  }
  if (m.contentHash !== blake3(encode(lines))) return refuse(name);
  return m;
}

/** Whether a manifest names this table. */
export function hasTable({ tables }: Manifest, key: string): boolean {
  // Not `Object.hasOwn`, which engines of apps in the field do not have.
  return Object.hasOwn(tables, key);
}

/** The text of a table object. */
export function tableObject(schemaVersion: string, key: string, rows: readonly string[]): string {
  const lines = rows.length > 0 ? `\n${rows.join('\n')}\n` : '';
  return `{"schemaVersion":"${schemaVersion}","table":"${key}","rows":[${lines}]}`;
}

/**
 * The table objects that a bootstrap object holds, by table key.
 *
 * Each row stands on a line of its own, so lines can be moved as they are: what was parsed and written
 * again might have other digits or another order.
 */
export function splitBootstrap(text: string): Map<string, string> {
  const { schemaVersion } = JSON.parse(text) as Bootstrap;
  const tables = new Map<string, string>();
  let open: string | undefined;
  let rows: string[] = [];
  const close = (): void => {
    if (open !== undefined) tables.set(open, tableObject(schemaVersion, open, rows));
    open = undefined;
    rows = [];
  };
  for (const [index, line] of text.split('\n').entries()) {
    if (index > 0 && line.startsWith('{')) {
      rows.push(line);
      continue;
    }
    close();
    for (const [, key = '', empty] of line.matchAll(/"(\w+)":\[(\]?)/g)) {
      open = key;
      if (empty) close();
    }
  }
  return tables;
}

function parseFormat(name: string, text: string): { formatVersion: number } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    return refuse(name, cause);
  }
  if (!isObject(json)) return refuse(name);
  const { formatVersion } = json as { formatVersion: unknown };
  // Before any other field is looked at: a later format may have none of them.
  if (isCount(formatVersion) && formatVersion > FORMAT_VERSION) {
    fail('format_unsupported', `${name} has format ${formatVersion}; update the app`, {
      offered: `formatVersion ${formatVersion}`,
    });
  }
  return formatVersion === FORMAT_VERSION ? (json as { formatVersion: number }) : refuse(name);
}

function refuse(name: string, cause?: unknown): never {
  fail('not_json', `this is no ${name}`, { cause });
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isSchemaVersion(value: unknown): boolean {
  return typeof value === 'string' && /^(0|[1-9]\d*)\.(0|[1-9]\d*)$/.test(value);
}

function isReferenceVersion(value: unknown): boolean {
  return typeof value === 'string' && /^seq:\d+$/.test(value);
}

function isRef(value: unknown): value is ObjectRef {
  const ref = value as ObjectRef;
  return isObject(value) && typeof ref.hash === 'string' && HASH.test(ref.hash) && isCount(ref.size);
}
