import type { Modifier } from '../hooks/use-exercise-config';

/** What each kind of modifier is called on a screen. */
export const MODIFIER_NAMES: Readonly<Record<Modifier, string>> = {
  motionPaths: 'Motion path',
  grips: 'Grip',
  gripWidths: 'Grip width',
  stanceTypes: 'Stance',
  stanceWidths: 'Stance width',
  footPositions: 'Foot position',
  torsoAngles: 'Torso angle',
  torsoOrientations: 'Torso orientation',
  elbowRelationship: 'Elbows',
  loadPlacement: 'Load placement',
  resistanceOrigin: 'Resistance from',
  supportStructures: 'Support',
  executionStyles: 'Execution',
  rangeOfMotion: 'Range of motion',
  loadingAids: 'Loading aid',
};
