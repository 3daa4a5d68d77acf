// What keeps an exercise from being saved.

import type { Exercise } from './exercise';

/** What reference data says of an exercise that is being made. */
export interface Rules {
  permission(field: string): 'required' | 'allowed' | 'forbidden';
  exists(
    table: 'exerciseCategories' | 'motions' | 'equipment' | 'trainingFocus' | 'muscles',
    id: string,
  ): boolean;
}

/** By field, what is wrong with it; nothing where it can be saved. */
export type Faults = Partial<
  Record<'name' | 'category' | 'motion' | 'equipment' | 'focus' | 'muscles', string>
>;

/** Judges an exercise by the reference rows of now. */
export function faultsOf(exercise: Exercise, rules: Rules, otherNames: readonly string[]): Faults {
  const faults: Faults = {};
  const name = exercise.name.trim();
  if (name === '') faults.name = 'Give it a name.';
  else if (name.length > 60) faults.name = 'Use at most 60 characters.';
  else if (otherNames.includes(name.toLowerCase())) faults.name = 'You have an exercise of that name.';
  if (!rules.exists('exerciseCategories', exercise.categoryId)) faults.category = 'Choose a category.';
  if (exercise.motionId === '') faults.motion = 'Choose a motion.';
  else if (!rules.exists('motions', exercise.motionId))
    faults.motion = 'This motion is not offered any more.';
  if (exercise.equipmentId !== null && !rules.exists('equipment', exercise.equipmentId)) {
    faults.equipment = 'This equipment is not offered any more.';
  } else if (exercise.equipmentId !== null && rules.permission('equipment') === 'forbidden') {
    faults.equipment = 'Exercises of this category have no equipment.';
  }
  if (exercise.focusId !== null && !rules.exists('trainingFocus', exercise.focusId)) {
    faults.focus = 'This focus is not offered any more.';
  }
  if (exercise.muscleIds.length === 0 && rules.permission('muscle_groups') === 'required') {
    faults.muscles = 'Choose at least one muscle group.';
  }
  return faults;
}
