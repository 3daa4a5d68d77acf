// The names of the migration plan, for apps that are written by it. docs/plan.md says what is where.

import type { LocalConfig, RemoteConfig } from './config.js';
import type { ReferenceDataProvider } from './provider.js';
import { createLocalProvider, createRemoteProvider } from './reference.js';
import type { AnyTables } from './snapshot.js';

// biome-ignore-start lint/suspicious/noUnsafeDeclarationMerging: a provider's methods are made, not inherited

/** `createLocalProvider` by the plan's name. */
export interface LocalJsonSqliteProvider<T = AnyTables> extends ReferenceDataProvider<T> {}
/** `createLocalProvider` by the plan's name. */
export class LocalJsonSqliteProvider<T = AnyTables> {
  constructor(config: LocalConfig) {
    Object.assign(this, createLocalProvider<T>(config));
  }
}

/** `createRemoteProvider` by the plan's name. */
export interface RemotePostgresProvider<T = AnyTables> extends ReferenceDataProvider<T> {}
/** `createRemoteProvider` by the plan's name. */
export class RemotePostgresProvider<T = AnyTables> {
  constructor(config: RemoteConfig) {
    Object.assign(this, createRemoteProvider<T>(config));
  }
}

// biome-ignore-end lint/suspicious/noUnsafeDeclarationMerging: a provider's methods are made, not inherited

/** The variables of an environment, as Node, Vite and Expo have them. */
export type Environment = Readonly<Record<string, unknown>>;

/** The flag's names: in Node, and those that Vite and Expo let into an app. */
const NAMES = ['USE_BACKEND_REFERENCE', 'VITE_USE_BACKEND_REFERENCE', 'EXPO_PUBLIC_USE_BACKEND_REFERENCE'];

/**
 * Whether the app's environment turns the backend on, by `USE_BACKEND_REFERENCE`: off unless it is exactly `true`.
 *
 * - Node: `readBackendFlag()`
 * - Vite: `readBackendFlag(import.meta.env)`, of `VITE_USE_BACKEND_REFERENCE`
 * - Expo, which puts values in where the code names them:
 *   `readBackendFlag({ USE_BACKEND_REFERENCE: process.env.EXPO_PUBLIC_USE_BACKEND_REFERENCE })`
 *
 * Where several of the names are set, each must be `true`.
 */
export function readBackendFlag(environment: Environment | undefined = ownEnvironment()): boolean {
  try {
    const values = NAMES.map((name) => environment?.[name]).filter((value) => value !== undefined);
    return values.length > 0 && values.every((value) => value === 'true' || value === true);
  } catch {
    return false;
  }
}

function ownEnvironment(): Environment | undefined {
  return (globalThis as { process?: { env?: Environment } }).process?.env;
}
