import { asError } from './errors.js';
import type { Events } from './provider.js';

/** Also those that only the provider itself hears. */
export interface InnerEvents extends Events {
  /** Something may have changed for who waits. */
  turn: undefined;
}

/** Events, whose listeners cannot harm each other or the sender. */
export interface Emitter {
  on<E extends keyof InnerEvents>(event: E, listener: (payload: InnerEvents[E]) => void): () => void;
  emit<E extends keyof InnerEvents>(event: E, payload?: InnerEvents[E]): void;
}

/**
 * An emitter without listeners.
 *
 * What happens while its owner is being made is told a moment later: nobody can listen before.
 */
export function createEmitter(): [Emitter['emit'], Emitter['on']] {
  const listeners = new Set<readonly [event: keyof InnerEvents, listener: (payload: never) => void]>();
  let early: Promise<void> | undefined = Promise.resolve().then(() => (early = undefined));
  const emit: Emitter['emit'] = (event, payload) => {
    if (early) return void early.then(() => emit(event, payload));
    for (const [wanted, listener] of [...listeners]) {
      try {
        if (wanted === event) listener(payload as never);
      } catch (thrown) {
        // A listener of errors that throws has had its chance.
        if (event !== 'error') emit('error', asError(thrown, 'listener', event));
      }
    }
  };
  return [
    emit,
    (event, listener) => {
      const own = [event, listener] as const;
      listeners.add(own);
      return () => listeners.delete(own);
    },
  ];
}
