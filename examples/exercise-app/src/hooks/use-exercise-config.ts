// The hooks by which screens read reference data.

import { createContext, use, useCallback, useMemo, useSyncExternalStore } from 'react';
import type { BackendFlag } from '../reference/flag';
import type { ExerciseConfigService, Origin } from '../reference/service';

export type { GroupScore } from '../reference/scoring';
export type { Named, Setup } from '../reference/service';
export type { Modifier } from '../reference/tables';

/** What a screen needs of the world. */
export interface Reference {
  readonly service: ExerciseConfigService;
  readonly flag: BackendFlag;
}

export const ReferenceContext = createContext<Reference | undefined>(undefined);

function useReference(): Reference {
  const reference = use(ReferenceContext);
  if (reference === undefined) throw new Error('a screen stands outside of ReferenceContext');
  return reference;
}

/** What `read` finds, and again whenever other data is current. `read` is a function that stays the same. */
export function useExerciseConfig<T>(read: (service: ExerciseConfigService) => T): T {
  const { service } = useReference();
  const state = useSyncExternalStore(service.subscribe, service.getState);
  return useMemo(() => read(service), [service, state, read]);
}

/** Whether there is reference data at all. */
export function useExerciseConfigReady(): boolean {
  const { service } = useReference();
  return useSyncExternalStore(service.subscribe, service.getState) !== undefined;
}

/** Where the data comes from. */
export function useExerciseConfigOrigin(): Origin {
  const { service } = useReference();
  // A text, since a hook's snapshot must be equal while nothing changed.
  const text = useSyncExternalStore(
    service.subscribe,
    useCallback(() => JSON.stringify(service.getOrigin()), [service]),
  );
  return useMemo(() => JSON.parse(text) as Origin, [text]);
}

/** The flag, and what turns it. */
export function useBackendFlag(): readonly [boolean, (on: boolean) => void] {
  const { flag } = useReference();
  return [useSyncExternalStore(flag.subscribe, flag.get), flag.set];
}

/** Asks the server now. */
export function useRefresh(): () => Promise<unknown> {
  const { service } = useReference();
  return service.refresh;
}
