// What the user makes stays in the browser, and never goes to the backend.

/** What is remembered: a value that tells of its changes, in this tab and in others. */
export interface Remembered<T> {
  get(): T;
  /** Whether it could be saved; where not, the value holds until the app is closed. */
  set(value: T): boolean;
  subscribe(changed: () => void): () => void;
}

/** A value in localStorage; what cannot be read there, or is not meant, is `initial`. */
export function remember<T>(key: string, initial: T, read: (json: unknown) => T | undefined): Remembered<T> {
  const listeners = new Set<() => void>();
  const load = (): T => {
    try {
      const text = localStorage.getItem(key);
      return (text === null ? undefined : read(JSON.parse(text))) ?? initial;
    } catch {
      return initial;
    }
  };
  let value = load();
  addEventListener('storage', (event) => {
    if (event.key !== key && event.key !== null) return;
    value = load();
    for (const listener of listeners) listener();
  });
  return {
    get: () => value,
    set(next) {
      value = next;
      let saved = true;
      try {
        localStorage.setItem(key, JSON.stringify(next));
      } catch {
        saved = false;
      }
      for (const listener of listeners) listener();
      return saved;
    },
    subscribe(changed) {
      listeners.add(changed);
      return () => listeners.delete(changed);
    },
  };
}
