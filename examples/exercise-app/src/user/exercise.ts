// An exercise: one that the app begins with, or one that the user made. It names reference rows by their keys, and
// remembers what they were called, for when a row is not offered any more.

import type { Modifier } from '../reference/tables';

export interface Exercise {
  readonly id: string;
  readonly name: string;
  readonly categoryId: string;
  readonly motionId: string;
  readonly equipmentId: string | null;
  readonly focusId: string | null;
  /** The muscle groups that the user wants it to be found under, beside those that it scores for. */
  readonly muscleIds: readonly string[];
  readonly modifiers: Partial<Record<Modifier, string>>;
  /** What each row was called when it was chosen, by key. */
  readonly labels: Readonly<Record<string, string>>;
}

/** The exercises of a value that was saved; undefined where it is none of ours. */
export function readExercises(json: unknown): readonly Exercise[] | undefined {
  return Array.isArray(json) && json.every(isExercise) ? json : undefined;
}

function isExercise(json: unknown): json is Exercise {
  const e = json as Partial<Record<keyof Exercise, unknown>> | null;
  const isText = (value: unknown) => typeof value === 'string';
  const isMap = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value);
  return (
    isMap(e) &&
    [e?.id, e?.name, e?.categoryId, e?.motionId].every(isText) &&
    [e?.equipmentId, e?.focusId].every((value) => value === null || isText(value)) &&
    Array.isArray(e?.muscleIds) &&
    e.muscleIds.every(isText) &&
    isMap(e.modifiers) &&
    isMap(e.labels)
  );
}

const starter = (
  id: string,
  name: string,
  motionId: string,
  equipmentId: string | null,
  modifiers: Exercise['modifiers'] = {},
  categoryId = 'STRENGTH',
): Exercise => ({
  id,
  name,
  categoryId,
  motionId,
  equipmentId,
  focusId: null,
  muscleIds: [],
  modifiers,
  labels: {},
});

/** What a new user finds. */
export const STARTERS: readonly Exercise[] = [
  starter('bench-press', 'Bench Press', 'BENCH_PRESS', 'BARBELL'),
  starter('incline-dumbbell-press', 'Incline Dumbbell Press', 'INCLINE_PRESS', 'DUMBBELL'),
  starter('push-up', 'Push-Up', 'PUSH_UP', null),
  starter('overhead-press', 'Overhead Press', 'OVERHEAD_PRESS', 'BARBELL'),
  starter('lateral-raise', 'Lateral Raise', 'LATERAL_RAISE', 'DUMBBELL'),
  starter('pull-up', 'Pull-Up', 'PULL_UP', 'PULL_UP_BAR'),
  starter('bent-over-row', 'Bent-Over Row', 'BENT_OVER_ROW', 'BARBELL'),
  starter('face-pull', 'Face Pull', 'FACE_PULL', 'CABLE_STACK'),
  starter('biceps-curl', 'Biceps Curl', 'ELBOW_FLEXION', 'DUMBBELL', { grips: 'SUPINATED' }),
  starter('triceps-pushdown', 'Triceps Pushdown', 'TRICEPS_PUSHDOWN', 'CABLE_STACK'),
  starter('back-squat', 'Back Squat', 'BACK_SQUAT', 'BARBELL'),
  starter('goblet-squat', 'Goblet Squat', 'GOBLET_SQUAT', 'KETTLEBELL'),
  starter('bulgarian-split-squat', 'Bulgarian Split Squat', 'BULGARIAN_SPLIT_SQUAT', 'DUMBBELL'),
  starter('deadlift', 'Deadlift', 'DEADLIFT', 'BARBELL'),
  starter('romanian-deadlift', 'Romanian Deadlift', 'ROMANIAN_DEADLIFT', 'BARBELL'),
  starter('kettlebell-swing', 'Kettlebell Swing', 'KETTLEBELL_SWING', 'KETTLEBELL'),
  starter('calf-raise', 'Calf Raise', 'CALF_RAISE', null),
  starter('plank', 'Plank', 'PLANK', null),
  starter('farmers-carry', "Farmer's Carry", 'FARMERS_CARRY', 'DUMBBELL'),
  starter('box-jump', 'Box Jump', 'JUMP', null, {}, 'PLYOMETRICS'),
];
