// What is published, read from the store's files and by none of the code that clients read by.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A state's name for the timeline, its rows in short, and one label for people to know it by. */
export function publishedState(store) {
  const read = (path) => JSON.parse(readFileSync(join(store, path), 'utf8'));
  const version = read('version.json');
  const manifest = read(`manifests/${version.manifest.hash}.json`);
  const tables = {};
  for (const [key, { hash }] of Object.entries(manifest.tables)) {
    const path = join(store, `tables/${key}/${hash}.json`);
    const [found] = execFileSync('b3sum', ['--no-names', path], { encoding: 'utf8' }).split('\n');
    if (found !== hash) throw new Error(`${path} has the hash ${found}`);
    tables[key] = read(`tables/${key}/${hash}.json`).rows;
  }
  return {
    name: `${version.epoch}-${version.sequence}`,
    digest: digestOf(tables),
    label: labelOf(tables),
  };
}

/** Every row of every table, in one word. */
export function digestOf(tables) {
  const sorted = Object.keys(tables).sort();
  const text = JSON.stringify(sorted.map((key) => [key, tables[key]]));
  return createHash('sha256').update(text).digest('hex');
}

/** What the playbook's edits change. */
export function labelOf(tables) {
  const byId = (...ids) => tables.grips.find(({ id }) => ids.includes(id));
  return `${byId('PRONATED', 'OVERHAND')?.label}, ${byId('SUPINATED')?.label}`;
}
