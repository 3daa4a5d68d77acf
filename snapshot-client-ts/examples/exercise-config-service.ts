// A service over the provider: what screens and hooks call. None of it knows whether the data is the app's own or
// the server's; that is the flag's affair, and a flip of it changes no line here or above.

import type { ReadOptions, ReferenceDataProvider } from 'tablecast-client';

/** What every table of the exercise app has. */
export interface Named {
  readonly id: string;
  readonly label: string;
  readonly common_names: readonly string[];
  readonly short_description: string | null;
  readonly sort_order: number;
}

/** The rows of the tables that the app reads, by table key. */
export interface ExerciseTables {
  exerciseCategories: Named;
  cardioTypes: Named & { readonly category_id: string | null };
  trainingFocus: Named & { readonly category_id: string | null };
  muscles: Named & { readonly category_id: string | null; readonly parent_ids: readonly string[] };
  equipmentCategories: Named & { readonly parent_id: string | null };
  equipment: Named & { readonly category_id: string | null; readonly is_attachment: boolean };
  equipmentIcons: { readonly id: string; readonly equipment_id: string; readonly value: string };
  grips: Named & { readonly parent_id: string | null };
  motions: Named & { readonly parent_id: string | null; readonly muscle_targets: unknown };
  motionPaths: Named & { readonly motion_id: string | null };
}

/** The service's functions, over whichever provider there is. */
export function createExerciseConfigService(provider: ReferenceDataProvider<ExerciseTables>) {
  // A picker opens with what is there; the refresh behind it is seen by whoever subscribes.
  const now: ReadOptions = { allowStaleCache: true };
  const rows = <K extends keyof ExerciseTables>(key: K) => provider.getTable(key, now);
  const row = async <K extends keyof ExerciseTables>(key: K, id: string) =>
    (await provider.getBootstrap(now)).row(key, id);

  return {
    getExerciseCategories: () => rows('exerciseCategories'),
    getCardioTypes: () => rows('cardioTypes'),
    getTrainingFocus: () => rows('trainingFocus'),
    getEquipmentCategories: () => rows('equipmentCategories'),
    getEquipment: () => rows('equipment'),
    getGrips: () => rows('grips'),
    getMotions: () => rows('motions'),
    /** The muscles that stand below no other. */
    getPrimaryMuscles: async () =>
      (await rows('muscles')).filter(({ parent_ids }) => parent_ids.length === 0),
    /** The muscles directly below one. */
    getMusclesBelow: async (id: string) =>
      (await rows('muscles')).filter(({ parent_ids }) => parent_ids.includes(id)),
    getEquipmentOf: async (categoryId: string) =>
      (await rows('equipment')).filter(({ category_id }) => category_id === categoryId),
    getMotionPathsOf: async (motionId: string) =>
      (await rows('motionPaths')).filter(({ motion_id }) => motion_id === motionId),
    /** The SVG of a piece of equipment, where there is one. */
    getEquipmentIcon: async (equipmentId: string) => (await row('equipmentIcons', equipmentId))?.value,
    /** What a scoring screen looks up. */
    getMuscleTargets: async (motionId: string) => (await row('motions', motionId))?.muscle_targets,
  };
}
