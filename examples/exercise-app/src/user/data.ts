// What this user has made.

import { type Exercise, readExercises } from './exercise.js';
import { remember } from './memory.js';
import { type FinishedWorkout, readFinished, readWorkout, type Workout } from './workout.js';

export const ownExercises = remember<readonly Exercise[]>('exercise-app.exercises', [], readExercises);
export const currentWorkout = remember<Workout | null>('exercise-app.workout', null, readWorkout);
export const finishedWorkouts = remember<readonly FinishedWorkout[]>(
  'exercise-app.finished',
  [],
  readFinished,
);
