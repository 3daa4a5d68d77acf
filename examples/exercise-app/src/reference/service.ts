// The facade: what hooks call. It alone knows that there is a provider, and nothing here or above knows whether
// the rows are the app's own or the server's.

import type { ReferenceDataProvider, Snapshot } from 'tablecast-client';
import { RENAMED, type Renamed } from './renamed';
import { type GroupScore, scoresOf } from './scoring';
import { type Json, MODIFIERS, type Modifier, type ReferenceTables, type Row } from './tables';

type Tables = keyof ReferenceTables;

/** A row that something saved by the user names: as it is now, or undefined where it is not offered any more. */
export interface Named<K extends Tables> {
  /** Its key of today. */
  readonly id: string;
  readonly row: Row<K> | undefined;
}

/** What an exercise is made of, as far as reference data knows it. */
export interface Setup {
  readonly motionId: string;
  readonly equipmentId: string | null;
  readonly modifiers: Partial<Record<Modifier, string>>;
}

/** Where the data comes from, for the line in the corner. */
export interface Origin {
  readonly source: 'none' | 'local' | 'cache' | 'network';
  readonly version: string;
  /** What went wrong last, where something did. */
  readonly trouble: string | undefined;
}

/** The functions that hooks call; each answers from what is there now. */
export type ExerciseConfigService = ReturnType<typeof createExerciseConfigService>;

/** The service over whichever provider there is. */
export function createExerciseConfigService(
  provider: ReferenceDataProvider<ReferenceTables>,
  renamed: Renamed = RENAMED,
) {
  const snapshot = () => provider.getSnapshot();
  const rows = <K extends Tables>(key: K): readonly Row<K>[] => snapshot()?.table(key) ?? [];
  const row = <K extends Tables>(key: K, id: string): Row<K> | undefined => snapshot()?.row(key, id);

  /** A row by a key that may be older than the rows. */
  function find<K extends Tables>(key: K, id: string): Named<K> {
    const now = renamed[key]?.[id] ?? id;
    return { id: now, row: row(key, now) };
  }

  function lineageOf(motionId: string): string[] {
    const lineage: string[] = [];
    let id: string | null | undefined = find('motions', motionId).id;
    while (id && !lineage.includes(id)) {
      lineage.push(id);
      id = row('motions', id)?.parent_id;
    }
    return lineage;
  }

  /** The muscle that stands below no other, above this one. */
  function groupOf(muscleId: string): string {
    let id = muscleId;
    for (let depth = 0; depth < 10; depth += 1) {
      const [parent] = texts(row('muscles', id)?.parent_ids);
      if (parent === undefined) break;
      id = parent;
    }
    return id;
  }

  /** What a motion does when nothing else is said. */
  function usualModifiers(motionId: string): Partial<Record<Modifier, string>> {
    const usual = find('motions', motionId).row?.default_delta_configs;
    const found: Partial<Record<Modifier, string>> = {};
    for (const modifier of MODIFIERS) {
      const id = property(usual, modifier);
      if (typeof id === 'string') found[modifier] = id;
    }
    return found;
  }

  return {
    /** Calls back when anything below may answer otherwise; returns the end of that. */
    subscribe(changed: () => void): () => void {
      const ends = [provider.subscribe(changed), provider.on('status', changed)];
      return () => {
        for (const end of ends) end();
      };
    },
    /** The same object until another snapshot is current. */
    getState: (): Snapshot<ReferenceTables> | undefined => snapshot(),

    getOrigin(): Origin {
      const current = snapshot();
      const error = provider.getStatus().lastError;
      const sources = { bundled: 'local', cache: 'cache', network: 'network' } as const;
      return {
        source: current === undefined ? 'none' : sources[current.source],
        version: current?.referenceVersion || 'of the app',
        trouble: error?.code,
      };
    },

    getExerciseCategories: () => rows('exerciseCategories'),
    getEquipmentCategories: () =>
      rows('equipmentCategories').filter(({ id }) => rows('equipment').some((r) => r.category_id === id)),
    getEquipment: () => rows('equipment').filter(({ is_attachment }) => !is_attachment),
    getMotions: () => rows('motions'),
    getTrainingFocus: (categoryId: string) =>
      rows('trainingFocus').filter(({ category_id }) => category_id === categoryId),
    getCardioTypes: () => rows('cardioTypes'),
    /** The muscles that stand below no other. */
    getMuscleGroups: () => rows('muscles').filter(({ parent_ids }) => texts(parent_ids).length === 0),
    getEquipmentIcon: (id: string): string | undefined => row('equipmentIcons', id)?.value,

    /** What an exercise of a category must and may say: `required`, `allowed`, `forbidden`. */
    getPermission(categoryId: string, field: string): 'required' | 'allowed' | 'forbidden' {
      const said = property(find('exerciseCategories', categoryId).row?.exercise_input_permissions, field);
      return said === 'required' || said === 'forbidden' ? said : 'allowed';
    },

    /** What may be chosen of a modifier for a motion, with a piece of equipment. */
    getChoices<M extends Modifier>(modifier: M, setup: Omit<Setup, 'modifiers'>): readonly Row<M>[] {
      const all: readonly Row<M>[] = rows(modifier);
      if (modifier === 'motionPaths') {
        const lineage = lineageOf(setup.motionId);
        return all.filter((path) => {
          const { motion_id } = path as unknown as Row<'motionPaths'>;
          return motion_id === null || lineage.includes(motion_id);
        });
      }
      const constraints =
        setup.equipmentId === null
          ? undefined
          : find('equipment', setup.equipmentId).row?.modifier_constraints;
      const allowed = property(constraints, modifier);
      return Array.isArray(allowed) ? all.filter(({ id }) => allowed.includes(id)) : all;
    },
    /** The modifiers that a motion speaks of: those of its usual setup, and those that change its scores. */
    getModifiers(motionId: string): Modifier[] {
      const lineage = lineageOf(motionId);
      const usual = usualModifiers(motionId);
      const matters = ({ delta_rules }: { delta_rules?: Json }) =>
        lineage.some((motion) => property(delta_rules, motion) !== undefined);
      return MODIFIERS.filter((modifier) => modifier in usual || rows(modifier).some(matters));
    },
    getUsualModifiers: usualModifiers,

    find,

    /** The scores of each muscle group, the highest first; none for a motion that is not there any more. */
    getScores({ motionId, modifiers }: Setup): readonly GroupScore[] {
      const usual = usualModifiers(motionId);
      const rules = (chosen: Partial<Record<Modifier, string>>) =>
        MODIFIERS.flatMap((modifier) => {
          const id = chosen[modifier];
          const rule = id === undefined ? undefined : find(modifier, id).row?.delta_rules;
          return rule === undefined ? [] : [rule];
        });
      return scoresOf({
        targets: find('motions', motionId).row?.muscle_targets,
        lineage: lineageOf(motionId),
        chosen: rules({ ...usual, ...modifiers }),
        usual: rules(usual),
        groupOf,
      });
    },

    /** Asks the server now, and no cache on the way; with the flag off there is none to ask. */
    refresh: () => provider.refresh({ fresh: true }),
    /** Lets go of everything. */
    dispose: () => provider.dispose(),
  };
}

function property(json: Json | undefined, key: string): Json | undefined {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
    ? (json as { readonly [key: string]: Json })[key]
    : undefined;
}

// A column of type jsonb may be anything; these are lists of texts.
function texts(json: Json | undefined): readonly string[] {
  return Array.isArray(json) ? json.filter((item): item is string => typeof item === 'string') : [];
}
