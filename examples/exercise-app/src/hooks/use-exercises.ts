// Every exercise of this user, with what reference data knows of it.

import { useCallback, useMemo } from 'react';
import type { ExerciseConfigService } from '../reference/service';
import { MODIFIERS } from '../reference/tables';
import { ownExercises } from '../user/data';
import { type Exercise, STARTERS } from '../user/exercise';
import { useExerciseConfig } from './use-exercise-config';
import { useRemembered } from './use-remembered';

/** An exercise, and what stands on its card. */
export interface KnownExercise {
  readonly exercise: Exercise;
  readonly isOwn: boolean;
  readonly category: string;
  readonly equipment: string;
  readonly equipmentCategoryId: string | undefined;
  readonly icon: string | undefined;
  /** The muscle groups that it works, the hardest first; of all that are named the first two stand on the card. */
  readonly muscles: readonly { readonly id: string; readonly label: string }[];
  /** Other words that it is found by. */
  readonly words: string;
  /** What it names and is not offered any more, in words. */
  readonly gone: readonly string[];
}

/** All of them: the user's own first. */
export function useExercises(): readonly KnownExercise[] {
  const own = useRemembered(ownExercises);
  const all = useMemo(() => [...own, ...STARTERS], [own]);
  return useExerciseConfig(
    useCallback(
      (service) => all.map((exercise) => knowledgeOf(service, exercise, own.includes(exercise))),
      [all, own],
    ),
  );
}

/** One of them, by its id. */
export function useExercise(id: string | undefined): KnownExercise | undefined {
  return useExercises().find(({ exercise }) => exercise.id === id);
}

function knowledgeOf(service: ExerciseConfigService, exercise: Exercise, isOwn: boolean): KnownExercise {
  const { equipmentId, motionId, labels } = exercise;
  const category = service.find('exerciseCategories', exercise.categoryId);
  const motion = service.find('motions', motionId);
  const equipment = equipmentId === null ? undefined : service.find('equipment', equipmentId);
  const chosen = MODIFIERS.flatMap((modifier) => {
    const id = exercise.modifiers[modifier];
    return id === undefined ? [] : [service.find(modifier, id)];
  });
  const groups = [...service.getScores(exercise).map(({ id }) => id), ...exercise.muscleIds];
  const named = [category, motion, ...(equipment ? [equipment] : []), ...chosen];
  const called = (found: { id: string; row: { label: string | null } | undefined }) =>
    found.row?.label ?? labels[found.id] ?? found.id;
  return {
    exercise,
    isOwn,
    category: called(category),
    equipment: equipment === undefined ? 'No equipment' : called(equipment),
    equipmentCategoryId: equipment?.row?.category_id ?? undefined,
    icon: equipment === undefined ? undefined : service.getEquipmentIcon(equipment.id),
    muscles: [...new Set(groups)].map((id) => ({ id, label: called(service.find('muscles', id)) })),
    words: `${exercise.name} ${called(motion)} ${commonNames(motion.row)}`.toLowerCase(),
    gone: named.filter(({ row }) => row === undefined).map(called),
  };
}

function commonNames(row: { readonly common_names: unknown } | undefined): string {
  return Array.isArray(row?.common_names) ? row.common_names.join(' ') : '';
}
