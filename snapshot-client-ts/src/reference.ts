// The three providers that an app can have; all of them are one.

import type { LocalConfig, ReferenceConfig, RemoteConfig } from './config.js';
import { createProvider } from './create-provider.js';
import type { ReferenceDataProvider } from './provider.js';
import type { AnyTables } from './snapshot.js';

/** A provider of what the app ships. No timer, no request, no storage. */
export function createLocalProvider<T = AnyTables>({ bundled }: LocalConfig): ReferenceDataProvider<T> {
  return createProvider<T>({ baseUrl: '', bundled }, false);
}

/** A provider that polls a store, caches what it has verified, and works without network. */
export function createRemoteProvider<T = AnyTables>(config: RemoteConfig): ReferenceDataProvider<T> {
  return createProvider<T>(config, true);
}

/** A provider that is local or remote as the flag says, also while it runs. */
export function createReferenceProvider<T = AnyTables>(config: ReferenceConfig): ReferenceDataProvider<T> {
  return createProvider<T>(config, config.enabled);
}
