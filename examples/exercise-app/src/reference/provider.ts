// The provider: the app's own tables with the flag off, the published ones with it on.

import { type CacheStorage, createReferenceProvider, type Flag, type RemoteConfig } from 'tablecast-client';
import { localJson } from 'tablecast-client/local';
import type { ReferenceTables } from './tables';

/** What differs between a browser, a phone and a test. */
export interface Platform {
  /** Where `version.json` lies. */
  readonly baseUrl: string;
  readonly enabled: Flag;
  /** The app's own files of tables, by path. */
  readonly files: () => Promise<Readonly<Record<string, unknown>>>;
  readonly storage?: CacheStorage;
  readonly lifecycle?: NonNullable<RemoteConfig['lifecycle']>;
  readonly pollIntervalMs?: number;
}

/** A provider on this platform. */
export function createProvider({ files, ...platform }: Platform) {
  return createReferenceProvider<ReferenceTables>({
    ...platform,
    bundled: async () => localJson(await files(), LOCAL_OPTIONS)(),
  });
}

// The file is a map from id to value; its other columns are filled by the database.
const LOCAL_OPTIONS = {
  tables: {
    equipmentIcons: {
      mapKey: ['id', 'equipment_id'],
      defaults: {
        common_names: [],
        icon: null,
        is_active: true,
        label: null,
        short_description: null,
        sort_order: 0,
      },
    },
  },
};
