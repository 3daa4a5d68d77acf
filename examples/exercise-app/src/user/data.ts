// What this user has made.

import { type Exercise, readExercises } from './exercise';
import { remember } from './memory';
import { type FinishedWorkout, readFinished, readWorkout, type Workout } from './workout';

export const ownExercises = remember<readonly Exercise[]>('exercise-app.exercises', [], readExercises);
export const currentWorkout = remember<Workout | null>('exercise-app.workout', null, readWorkout);
export const finishedWorkouts = remember<readonly FinishedWorkout[]>(
  'exercise-app.finished',
  [],
  readFinished,
);
