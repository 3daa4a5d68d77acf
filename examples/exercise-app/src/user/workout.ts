// A workout: what was chosen, and the sets that were done.

export interface WorkoutSet {
  readonly repetitions: number;
  readonly weightKg: number;
  readonly done: boolean;
}

export interface WorkoutEntry {
  readonly exerciseId: string;
  /** What the exercise was called, for when it is deleted. */
  readonly name: string;
  readonly sets: readonly WorkoutSet[];
}

export interface Workout {
  readonly startedAt: string;
  readonly entries: readonly WorkoutEntry[];
}

export interface FinishedWorkout extends Workout {
  readonly finishedAt: string;
}

/** A workout with one more exercise; a first set stands there to be filled in. */
export function withExercise(workout: Workout, exerciseId: string, name: string): Workout {
  const first = { repetitions: 8, weightKg: 20, done: false };
  return { ...workout, entries: [...workout.entries, { exerciseId, name, sets: [first] }] };
}

/** With one more set, like the one before it. */
export function withSet(workout: Workout, entry: number): Workout {
  return inEntry(workout, entry, (sets) => {
    const last = sets.at(-1) ?? { repetitions: 8, weightKg: 20 };
    return [...sets, { ...last, done: false }];
  });
}

/** With one set changed. */
export function withChangedSet(
  workout: Workout,
  entry: number,
  set: number,
  change: Partial<WorkoutSet>,
): Workout {
  return inEntry(workout, entry, (sets) =>
    sets.map((it, index) => (index === set ? { ...it, ...change } : it)),
  );
}

/** Without one exercise. */
export function withoutEntry(workout: Workout, entry: number): Workout {
  return { ...workout, entries: workout.entries.filter((_, index) => index !== entry) };
}

/** How much was moved, and in how many sets. */
export function totals(workout: Workout): { readonly sets: number; readonly weightKg: number } {
  const done = workout.entries.flatMap(({ sets }) => sets).filter((set) => set.done);
  return {
    sets: done.length,
    weightKg: done.reduce((sum, { repetitions, weightKg }) => sum + repetitions * weightKg, 0),
  };
}

function inEntry(
  workout: Workout,
  entry: number,
  change: (sets: readonly WorkoutSet[]) => readonly WorkoutSet[],
): Workout {
  const entries = workout.entries.map((it, index) =>
    index === entry ? { ...it, sets: change(it.sets) } : it,
  );
  return { ...workout, entries };
}

/** The workout of a value that was saved; undefined where it is none of ours. */
export function readWorkout(json: unknown): Workout | null | undefined {
  if (json === null) return null;
  return isWorkout(json) ? json : undefined;
}

/** The finished workouts of a value that was saved. */
export function readFinished(json: unknown): readonly FinishedWorkout[] | undefined {
  const isFinished = (it: unknown) => isWorkout(it) && typeof (it as FinishedWorkout).finishedAt === 'string';
  return Array.isArray(json) && json.every(isFinished) ? json : undefined;
}

function isWorkout(json: unknown): json is Workout {
  const workout = json as Partial<Workout> | null;
  const isSet = (set: WorkoutSet) =>
    [set?.repetitions, set?.weightKg].every(Number.isFinite) && typeof set.done === 'boolean';
  const isEntry = (entry: WorkoutEntry) =>
    typeof entry?.exerciseId === 'string' &&
    typeof entry.name === 'string' &&
    Array.isArray(entry.sets) &&
    entry.sets.every(isSet);
  return (
    typeof workout?.startedAt === 'string' && Array.isArray(workout.entries) && workout.entries.every(isEntry)
  );
}
