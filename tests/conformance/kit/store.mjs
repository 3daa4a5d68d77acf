// The versions that scenarios publish, by name; `../make_store.py` writes them.

import { readFileSync } from 'node:fs';

const STORE = new URL('../store/', import.meta.url);

/** Reads the store: what each name publishes, and which objects there are. */
export function readStore() {
  // In an order such that an object is called after the version that brought it.
  const names = JSON.parse(readFileSync(new URL('names.json', STORE), 'utf8'));
  const versions = names.map(readNamed);
  const labels = new Map();
  for (const { name, version, manifest } of versions) {
    const label = (path, text) => labels.has(path) || labels.set(path, text);
    label(`manifests/${version.manifest.hash}.json`, `manifest@${name}`);
    label(`bootstrap/${version.bootstrap.hash}.json`, `bootstrap@${name}`);
    for (const [key, { hash }] of Object.entries(manifest.tables))
      label(`tables/${key}/${hash}.json`, `${key}@${name}`);
  }
  return {
    /** What a scenario means by a name. */
    named: (name) => versions.find((each) => each.name === name) ?? failUnknown(name, names),
    /** The name of the version of this order and manifest. */
    nameOf: ({ epoch, sequence, manifest }) =>
      versions.find(
        ({ version }) =>
          version.epoch === epoch && version.sequence === sequence && version.manifest.hash === manifest.hash,
      )?.name ?? `unknown ${epoch}-${sequence}`,
    /** `manifest@two` and the like, or nothing for a path that names no object here. */
    labelOf: (path) => labels.get(path),
    /** An object's bytes. */
    read: (path) => readFileSync(new URL(path, STORE)),
  };
}

function readNamed(name) {
  const text = readFileSync(new URL(`named/${name}.json`, STORE), 'utf8');
  const version = JSON.parse(text);
  const read = (path) => JSON.parse(readFileSync(new URL(path, STORE), 'utf8'));
  const manifest = read(`manifests/${version.manifest.hash}.json`);
  const bootstrap = read(`bootstrap/${version.bootstrap.hash}.json`);
  const tables = {};
  for (const [key, { hash }] of Object.entries(manifest.tables))
    tables[key] = read(`tables/${key}/${hash}.json`).rows;
  return { name, text, version, manifest, bootstrap, tables };
}

function failUnknown(name, names) {
  throw new Error(`no version is called "${name}"; there are ${names.join(', ')}`);
}
