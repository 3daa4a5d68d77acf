// What an app's types must and must not allow; `tsc` is the test.

import {
  type Bundled,
  createReferenceProvider,
  createRemoteProvider,
  type ReferenceDataProvider,
} from 'tablecast-client';
import { reactNativeLifecycle } from 'tablecast-client/lifecycle';
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

provider.on('change', ({ changedTables, to }) => console.log(changedTables.join(), to.sequence));
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

export { anything };
