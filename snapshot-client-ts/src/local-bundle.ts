// What `publisher bundle DIR` has written, and whether it belongs together.

import { blake3 } from './blake3.js';
import { isVersion, type Manifest, tableObject } from './format.js';
import { compareText, type Local, refuse } from './local-source.js';
import type { Bundled, BundledManifest } from './snapshot.js';
import { encode } from './text.js';

/** The three files that `publisher bundle DIR` writes, parsed. */
export interface BundledFiles extends Bundled {
  /** The content of `manifest.json`. */
  readonly manifest: BundledManifest;
}

/**
 * The local side over the files of `publisher bundle DIR`.
 *
 * Refuses what does not belong together: a file of another version, a table whose rows are not those of the manifest.
 */
export function localBundle(files: BundledFiles): Local {
  return () => {
    refuse(problemsOf(files));
    return files;
  };
}

function problemsOf({ version, bootstrap, manifest }: BundledFiles): string[] {
  if (!isSo(() => isVersion(version))) return ['version.json is none'];
  if (typeof manifest?.tables !== 'object') return ['manifest.json is none'];
  if (typeof bootstrap?.tables !== 'object') return ['bootstrap.json is none'];
  const problems: string[] = [];
  // Its keys stand in the order in which they were published, so its bytes are known.
  if (blake3(encode(JSON.stringify(manifest))) !== version.manifest.hash)
    problems.push('manifest.json is not the one that version.json names');
  const fields = ['schemaVersion', 'referenceVersion', 'generatedAt'] as const;
  const other = fields.filter((field) => bootstrap[field] !== version[field]);
  if (other.length > 0) problems.push(`bootstrap.json has another ${other.join(', ')} than version.json`);
  const expected = Object.entries((manifest as Manifest).tables).filter(([, entry]) => entry.inBootstrap);
  const there = new Map(Object.entries(bootstrap.tables));
  for (const [key, entry] of expected) {
    const rows = there.get(key);
    if (!rows) problems.push(`bootstrap.json has no ${key}, which manifest.json names`);
    else if (!isSo(() => isTable(version.schemaVersion, key, rows, entry.hash)))
      problems.push(`bootstrap.json has other rows of ${key} than manifest.json names`);
    there.delete(key);
  }
  for (const key of there.keys())
    problems.push(`bootstrap.json has ${key}, which manifest.json does not name`);
  return problems;
}

// As the bundler left them, or as they are published: one that looks like a number may have changed its place.
function isTable(schemaVersion: string, key: string, rows: readonly unknown[], hash: string): boolean {
  const object = (text: (row: unknown) => string): string =>
    tableObject(schemaVersion, key, rows.map(text).join(',\n'));
  return [JSON.stringify, textOf].some((text) => blake3(encode(object((row) => text(row)))) === hash);
}

// Keys in order; `JSON.stringify` would put those that look like numbers first.
function textOf(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(textOf).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => compareText(a, b));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${textOf(member)}`).join()}}`;
}

function isSo(question: () => boolean): boolean {
  try {
    return question();
  } catch {
    return false;
  }
}
