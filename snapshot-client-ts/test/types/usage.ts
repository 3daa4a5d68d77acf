// What an app's types must and must not allow; `tsc` is the test.

import {
  type Bundled,
  createReferenceProvider,
  createRemoteProvider,
  type ReferenceDataProvider,
} from 'tablecast-client';
import { reactNativeLifecycle } from 'tablecast-client/lifecycle';
import { betterSqlite3, type LocalSource, localJson, localSource, localSqlite } from 'tablecast-client/local';
import { LocalJsonSqliteProvider, RemotePostgresProvider, readBackendFlag } from 'tablecast-client/plan';
import { createReferenceHooks } from 'tablecast-client/react';
import { asyncStorage, cacheIn, type Storage, webStorage } from 'tablecast-client/storage';

interface Tables {
  muscles: { id: string; label: string; category_id: string | null };
  grips: { id: string; is_dynamic: boolean };
}

declare const bundled: Bundled;

const provider = createReferenceProvider<Tables>({
  baseUrl: 'https://cdn.example.org/reference',
  bundled,
  enabled: () => true,
  storage: webStorage(),
});

export async function read(): Promise<string> {
  const muscles = await provider.getTable('muscles', { allowStaleCache: true });
  const label: string | undefined = muscles[0]?.label;
  // @ts-expect-error: there is no such table
  await provider.getTable('muscle');
  // @ts-expect-error: there is no such column
  muscles[0]?.name;
  // @ts-expect-error: rows cannot be changed
  muscles.push();
  const grip = provider.getSnapshot()?.row('grips', 'NEUTRAL');
  const dynamic: boolean | undefined = grip?.is_dynamic;
  return `${label} ${dynamic}`;
}

provider.on('change', ({ changedTables, to }) => console.log(changedTables.join(), to?.sequence));
// @ts-expect-error: there is no such event
provider.on('changed', () => {});
// @ts-expect-error: without a base URL there is nothing to poll
createRemoteProvider({});

const { useReferenceTable } = createReferenceHooks(provider);

export function useGrips(): readonly Tables['grips'][] {
  // @ts-expect-error: there is no such table
  useReferenceTable('grip');
  return useReferenceTable('grips');
}

declare const AsyncStorage: {
  getItem(key: string): Promise<string | null>;
  setItem(key: string, value: string): Promise<void>;
  removeItem(key: string): Promise<void>;
};
declare const AppState: {
  currentState: string;
  addEventListener(type: 'change', listener: (state: string) => void): { remove(): void };
};

// React Native's storage is one as it is, and with the adapter.
const plain: Storage = AsyncStorage;
export const untyped: ReferenceDataProvider = createRemoteProvider({
  baseUrl: 'https://cdn.example.org/reference',
  storage: asyncStorage(AsyncStorage) ?? cacheIn(plain),
  lifecycle: reactNativeLifecycle(AppState),
});
const anything: unknown = untyped.getSnapshot()?.table('whatever')[0].any;

// The local side: files, expo-sqlite's database as it is, better-sqlite3's, a source of four methods.
declare const expoDatabase: {
  getAllAsync<R>(source: string, params: Record<string, string | number | null>): Promise<R[]>;
  getAllAsync<R>(source: string, ...params: (string | number | null)[]): Promise<R[]>;
};
declare const betterDatabase: { prepare(source: string): { all(...params: unknown[]): unknown[] } };
const own: LocalSource = {
  getVersion: () => ({}),
  getTableKeys: async () => ['grips'],
  getTable: () => [{ id: 'NEUTRAL' }],
  getPrimaryKey: () => ['id'],
};
// @ts-expect-error: a source has four methods
localSource({ getTable: own.getTable });
for (const bundled of [
  localJson({ grips: [] }),
  localSqlite(expoDatabase),
  localSqlite(async () => expoDatabase),
  localSqlite(betterSqlite3(betterDatabase)),
  localSource(own),
])
  createReferenceProvider({ baseUrl: '', bundled, enabled: readBackendFlag({}) });

// The plan's names are providers, and their wrapper has the tables' types.
export const plan: ReferenceDataProvider<Tables>[] = [
  new LocalJsonSqliteProvider<Tables>({ bundled: localSource(own) }),
  new RemotePostgresProvider<Tables>({ baseUrl: '' }),
];
export async function wrapper(): Promise<string> {
  const { schemaVersion, tables } = await provider.getBootstrap({ allowStaleCache: true });
  const dynamic: boolean | undefined = tables.grips[0]?.is_dynamic;
  // @ts-expect-error: there is no such table
  tables.grip;
  return `${schemaVersion} ${dynamic}`;
}

export { anything };
