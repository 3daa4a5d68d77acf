import { asError } from './errors.js';
import type { Events } from './provider.js';

/** Events, whose listeners cannot harm each other or the sender. */
export interface Emitter {
  on<E extends keyof Events>(event: E, listener: (payload: Events[E]) => void): () => void;
  emit<E extends keyof Events>(event: E, payload: Events[E]): void;
}

/**
 * An emitter without listeners.
 *
 * What happens while its owner is being made is told a moment later: nobody can listen before.
 */
export function createEmitter(): Emitter {
  const listeners = new Map<keyof Events, Set<(payload: never) => void>>();
  let early: (() => void)[] | undefined = [];
  const tell: Emitter['emit'] = (event, payload) => {
    for (const listener of [...(listeners.get(event) ?? [])]) {
      try {
        listener(payload as never);
      } catch (thrown) {
        // A listener of errors that throws has had its chance.
        if (event !== 'error') tell('error', asError(thrown, 'listener', `a listener of "${event}" threw`));
      }
    }
  };
  void Promise.resolve().then(() => {
    const told = early ?? [];
    early = undefined;
    for (const each of told) each();
  });
  return {
    emit: (event, payload) => (early ? void early.push(() => tell(event, payload)) : tell(event, payload)),
    on: (event, listener) => {
      const own = (payload: never): void => listener(payload);
      const all = listeners.get(event) ?? new Set();
      listeners.set(event, all.add(own));
      return () => void all.delete(own);
    },
  };
}
