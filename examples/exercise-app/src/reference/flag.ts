// Whether reference data comes from the backend: off unless somebody turns it on.

/** A flag that tells of its changes, and remembers them. */
export interface BackendFlag {
  get(): boolean;
  set(on: boolean): void;
  subscribe(changed: () => void): () => void;
}

/** What a flag is remembered in: localStorage, or anything with these two. */
export interface Memory {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

const KEY = 'exercise-app.backend';

/** The flag as the user has set it, else as the environment says. */
export function createBackendFlag(initial: boolean, memory: Memory): BackendFlag {
  const listeners = new Set<() => void>();
  let on = remembered(memory) ?? initial;
  return {
    get: () => on,
    set(value) {
      on = value;
      try {
        memory.setItem(KEY, String(value));
      } catch {
        // It holds until the app is closed.
      }
      for (const listener of listeners) listener();
    },
    subscribe(changed) {
      listeners.add(changed);
      return () => listeners.delete(changed);
    },
  };
}

function remembered(memory: Memory): boolean | undefined {
  try {
    const value = memory.getItem(KEY);
    return value === null ? undefined : value === 'true';
  } catch {
    return undefined;
  }
}
