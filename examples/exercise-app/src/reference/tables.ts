// The rows' types, as `publisher types` prints them.

export type { Json, ReferenceTables, Row } from '../../../../snapshot-client-ts/examples/reference';

/** The tables whose rows change how an exercise is done, in the order in which the app asks for them. */
export const MODIFIERS = [
  'motionPaths',
  'grips',
  'gripWidths',
  'stanceTypes',
  'stanceWidths',
  'footPositions',
  'torsoAngles',
  'torsoOrientations',
  'elbowRelationship',
  'loadPlacement',
  'resistanceOrigin',
  'supportStructures',
  'executionStyles',
  'rangeOfMotion',
  'loadingAids',
] as const;

/** A table of {@link MODIFIERS}. */
export type Modifier = (typeof MODIFIERS)[number];
