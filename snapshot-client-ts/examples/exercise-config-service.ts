// A service over the provider: what screens and hooks call. None of it knows whether the data is the app's own or
// the server's; that is the flag's affair, and a flip of it changes no line here or above.

import type { ReadOptions, ReferenceDataProvider } from 'tablecast-client';
// Printed by `publisher types`.
import type { Json, ReferenceTables, Row } from './reference.js';

/** The functions that screens call. */
export interface ExerciseConfigService {
  getExerciseCategories(): Promise<readonly Row<'exerciseCategories'>[]>;
  getCardioTypes(): Promise<readonly Row<'cardioTypes'>[]>;
  getTrainingFocus(): Promise<readonly Row<'trainingFocus'>[]>;
  getEquipmentCategories(): Promise<readonly Row<'equipmentCategories'>[]>;
  getEquipment(): Promise<readonly Row<'equipment'>[]>;
  getGrips(): Promise<readonly Row<'grips'>[]>;
  getMotions(): Promise<readonly Row<'motions'>[]>;
  /** The muscles that stand below no other. */
  getPrimaryMuscles(): Promise<readonly Row<'muscles'>[]>;
  /** The muscles directly below one. */
  getMusclesBelow(id: string): Promise<readonly Row<'muscles'>[]>;
  getEquipmentOf(categoryId: string): Promise<readonly Row<'equipment'>[]>;
  getMotionPathsOf(motionId: string): Promise<readonly Row<'motionPaths'>[]>;
  /** The SVG of a piece of equipment, where there is one. */
  getEquipmentIcon(equipmentId: string): Promise<string | undefined>;
  /** What a scoring screen looks up. */
  getMuscleTargets(motionId: string): Promise<Json | undefined>;
}

/** The service over whichever provider there is. */
export function createExerciseConfigService(
  provider: ReferenceDataProvider<ReferenceTables>,
): ExerciseConfigService {
  // A picker opens with what is there; the refresh behind it is seen by whoever subscribes.
  const now: ReadOptions = { allowStaleCache: true };
  const rows = <K extends keyof ReferenceTables>(key: K) => provider.getTable(key, now);
  const row = async <K extends keyof ReferenceTables>(key: K, id: string) =>
    (await provider.getBootstrap(now)).row(key, id);

  return {
    getExerciseCategories: () => rows('exerciseCategories'),
    getCardioTypes: () => rows('cardioTypes'),
    getTrainingFocus: () => rows('trainingFocus'),
    getEquipmentCategories: () => rows('equipmentCategories'),
    getEquipment: () => rows('equipment'),
    getGrips: () => rows('grips'),
    getMotions: () => rows('motions'),
    getPrimaryMuscles: async () =>
      (await rows('muscles')).filter(({ parent_ids }) => list(parent_ids).length === 0),
    getMusclesBelow: async (id) =>
      (await rows('muscles')).filter(({ parent_ids }) => list(parent_ids).includes(id)),
    getEquipmentOf: async (categoryId) =>
      (await rows('equipment')).filter(({ category_id }) => category_id === categoryId),
    getMotionPathsOf: async (motionId) =>
      (await rows('motionPaths')).filter(({ motion_id }) => motion_id === motionId),
    getEquipmentIcon: async (equipmentId) => (await row('equipmentIcons', equipmentId))?.value,
    getMuscleTargets: async (motionId) => (await row('motions', motionId))?.muscle_targets,
  };
}

// A column of type jsonb may be anything; these are lists.
function list(json: Json): readonly Json[] {
  return Array.isArray(json) ? json : [];
}
