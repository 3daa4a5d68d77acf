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
  /** Whether it is in the bootstrap object. */
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
  /** Every table in one object, as the version has it. */
  readonly bootstrap: ObjectRef;
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
/** The largest object that this client takes unless it is told otherwise, in bytes. */
export const OBJECT_MAX_BYTES = 33_554_432;

const FORMAT_VERSION = 1;

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
  return parse('version.json', text, isVersion);
}

/** Whether parsed JSON is a version; throws or says no where it is not. */
export function isVersion(v: Version): boolean {
  return (
    v.formatVersion === FORMAT_VERSION &&
    isCount(v.epoch) &&
    isCount(v.sequence) &&
    isSchemaVersion(v) &&
    isText(v.referenceVersion, /^seq:\d+$/) &&
    isText(v.generatedAt, /^/) &&
    isText(v.publishedAt, /^/) &&
    isRef(v.manifest) &&
    isRef(v.bootstrap)
  );
}

/** Reads a manifest whose bytes are verified; throws `not_json` or `format_unsupported`. */
export function parseManifest(text: string): Manifest {
  return parse('manifest', text, isManifest);
}

function isManifest(m: Manifest & { contentHash: string; formatVersion: number }): boolean {
  let lines = '';
  const fits = (key: string): boolean => {
    const table = m.tables[key] as TableEntry;
    lines += `${table.hash}  ${key}\n`;
    return (
      isText(key, /^[A-Za-z_]\w{0,62}$/) &&
      isRef(table) &&
      isCount(table.rows) &&
      Array.isArray(table.primaryKey)
    );
  };
  return (
    m.formatVersion === FORMAT_VERSION &&
    isSchemaVersion(m) &&
    isRef(m.bootstrap) &&
    Object.keys(m.tables).sort().every(fits) &&
    m.contentHash === blake3(encode(lines))
  );
}

/** The text of a table object; its rows each on a line of its own, with the commas between them. */
export function tableObject(schemaVersion: string, key: string, rows: string): string {
  return `{"schemaVersion":"${schemaVersion}","table":"${key}","rows":[${rows && `\n${rows}\n`}]}`;
}

/**
 * The table objects of this `schemaVersion` in a bootstrap object, by table key.
 *
 * Each row stands on a line of its own, so lines can be moved as they are: what was parsed and written
 * again might have other digits or another order. A line that begins with `]` ends a table, and nothing else.
 */
export function splitBootstrap(text: string, schemaVersion: string): Map<string, string> {
  const tables = new Map<string, string>();
  for (const part of text.split('\n]')) {
    const [head = '', ...rows] = part.split('\n');
    // Tables without rows, then the one whose rows follow.
    for (const [, key = '', empty] of head.matchAll(/"(\w+)":\[(\]?)/g)) {
      tables.set(key, tableObject(schemaVersion, key, empty ? '' : rows.join('\n')));
    }
  }
  return tables;
}

function parse<T>(name: string, text: string, fits: (json: T & { formatVersion: number }) => boolean): T {
  let json: (T & { formatVersion: number }) | undefined;
  try {
    json = JSON.parse(text) as T & { formatVersion: number };
    if (fits(json)) return json;
  } catch {
    // What is not even of the right shape is refused like what has wrong values.
  }
  const format = json?.formatVersion;
  // Whatever else is in it: a later format may have none of our fields.
  if (isCount(format) && format > FORMAT_VERSION) {
    const offered = `formatVersion ${format}`;
    fail('format_unsupported', `${name}, ${offered}`, { offered });
  }
  return fail('not_json', name);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isText(value: unknown, pattern: RegExp): boolean {
  return typeof value === 'string' && pattern.test(value);
}

function isSchemaVersion(v: { schemaVersion: string }): boolean {
  return isText(v.schemaVersion, /^(0|[1-9]\d*)\.(0|[1-9]\d*)$/);
}

function isRef(ref: ObjectRef): boolean {
  return isText(ref.hash, /^[0-9a-f]{64}$/) && isCount(ref.size);
}
