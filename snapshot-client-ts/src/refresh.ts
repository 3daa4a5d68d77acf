// One refresh: from a version.json to a generation whose objects are all verified and loaded.
// docs/client.md section 3 is this file in words.

import { fail, type ReferenceDataError } from './errors.js';
import {
  compareOrder,
  MANIFEST_MAX_BYTES,
  type Manifest,
  OBJECT_MAX_BYTES,
  type ObjectRef,
  parseManifest,
  parseVersion,
  splitBootstrap,
  VERSION_MAX_BYTES,
  type Version,
} from './format.js';
import type { CacheOwner, Generation } from './loaded.js';
import type { Requests } from './requests.js';
import { objectOf, type Snapshot } from './snapshot.js';

/** An object. */
interface Wanted extends ObjectRef {
  readonly folder: string;
}

/** A table that is not loaded. */
interface Lacking extends Wanted {
  readonly key: string;
  readonly inBootstrap: boolean;
}

// What a request costs beside its body, in bytes: headers both ways.
const REQUEST_BYTES = 512;

/** The newest generation, or nothing where the current version is the newest; throws what stands in the way. */
export async function refresh(
  get: Requests['get'],
  { loaded, knows, config: { requiredTables = [], maxObjectBytes = OBJECT_MAX_BYTES } }: CacheOwner,
  current: Version | undefined,
  bundled: Snapshot | undefined,
  fresh: boolean | undefined,
): Promise<Generation | undefined> {
  const { texts } = loaded;
  const offer = async (again?: boolean): Promise<Version> =>
    parseVersion(await get({ path: 'version.json', size: VERSION_MAX_BYTES }, again));

  function check(offered: Version): Version {
    const name = `${offered.epoch}-${offered.sequence}`;
    // Without a current version there is nothing to fall behind.
    if (current && loaded.mark && compareOrder(offered, loaded.mark) < 0) fail('version_regressed', name);
    if (isCurrent(offered) && offered.manifest.hash !== current?.manifest.hash)
      fail('version_conflict', name);
    if (!knows(offered)) {
      fail('schema_unsupported', `${name}, ${offered.schemaVersion}`, { offered: offered.schemaVersion });
    }
    return offered;
  }

  const isCurrent = (version: Version): boolean | undefined => current && !compareOrder(version, current);

  async function fetchGeneration(version: Version): Promise<Generation> {
    const { hash } = version.manifest;
    if (!texts.has(hash))
      await fetchObjects([{ ...version.manifest, folder: 'manifests' }], MANIFEST_MAX_BYTES);
    const manifest = parseManifest(texts.get(hash) as string);
    const missing = requiredTables.filter((key) => !Object.keys(manifest.tables).includes(key));
    if (missing[0]) fail('table_missing', `${missing}`);
    // What the app shipped need not be fetched.
    for (const { key, hash } of lacking(manifest)) {
      if (bundled?.hash(key) === hash) texts.set(hash, objectOf(bundled, key));
    }
    await fetchTables(manifest);
    return { version, manifest };
  }

  async function fetchTables(manifest: Manifest): Promise<void> {
    const { bootstrap } = manifest;
    const tables = lacking(manifest);
    if (cost([bootstrap, ...tables.filter((table) => !table.inBootstrap)]) < cost(tables)) {
      await fetchObjects([{ ...bootstrap, folder: 'bootstrap' }]);
      const split = splitBootstrap(texts.get(bootstrap.hash) as string, manifest.schemaVersion);
      for (const { key, hash } of tables) {
        const text = split.get(key);
        // Its bytes are verified as part of the bootstrap.
        if (text) texts.set(hash, text);
      }
    }
    await fetchObjects(lacking(manifest));
  }

  function lacking({ tables }: Manifest): Lacking[] {
    return Object.entries(tables)
      .filter(([, entry]) => !texts.has(entry.hash))
      .map(([key, entry]) => ({ ...entry, key, folder: `tables/${key}` }));
  }

  // Loads all of these that are right, then throws for one that is not: for a missing one where there is one,
  // since that may say that there is a newer version.
  async function fetchObjects(objects: readonly Wanted[], limitBytes = maxObjectBytes): Promise<void> {
    const fetchOne = async ({ folder, hash, size }: Wanted): Promise<ReferenceDataError | undefined> => {
      const path = `${folder}/${hash}.json`;
      try {
        if (size > limitBytes) fail('too_large', path);
        texts.set(hash, await get({ path, hash, size }));
      } catch (thrown) {
        return thrown as ReferenceDataError;
      }
    };
    const errors = await Promise.all(objects.map(fetchOne));
    const worst = errors.find((error) => error?.code === 'object_missing') ?? errors.find((error) => error);
    if (worst) throw worst;
  }

  const version = await offer(fresh)
    .then(check)
    .catch(async (thrown: ReferenceDataError) => {
      if (thrown.code !== 'version_regressed') throw thrown;
      return check(await offer(true));
    });
  if (isCurrent(version)) return undefined;
  return fetchGeneration(version).catch(async (thrown: ReferenceDataError) => {
    // Pruned since, or we were told an old pointer.
    if (thrown.code !== 'object_missing') throw thrown;
    const newer = await offer(true);
    if (compareOrder(newer, version) <= 0) throw thrown;
    return fetchGeneration(check(newer));
  });
}

function cost(objects: readonly ObjectRef[]): number {
  return objects.reduce((sum, object) => sum + object.size + REQUEST_BYTES, 0);
}
