// How hard an exercise is for each muscle: the motion's own scores, changed by what differs from its usual setup.
//
// 1 is a muscle that limits the set, 0.1 one that merely helps. Scores stand at the leaves of `muscle_targets`;
// a group is the sum of its parts.

import type { Json } from './tables';

/** What a score is made from: rows, and no provider. */
export interface ScoringInput {
  /** The motion's `muscle_targets`. */
  readonly targets: Json | undefined;
  /** The motion and those that it is a kind of, itself first. */
  readonly lineage: readonly string[];
  /** `delta_rules` of what was chosen. */
  readonly chosen: readonly Json[];
  /** `delta_rules` of what the motion's scores take for granted. */
  readonly usual: readonly Json[];
  /** The group that a muscle belongs to and the scores do not name yet. */
  readonly groupOf: (muscle: string) => string;
}

/** A muscle group, and its muscles with their scores; both the highest first. */
export interface GroupScore {
  readonly id: string;
  readonly score: number;
  readonly muscles: readonly { readonly id: string; readonly score: number }[];
}

/** The scores of each group that has any. */
export function scoresOf({ targets, lineage, chosen, usual, groupOf }: ScoringInput): GroupScore[] {
  const groups = new Map<string, Map<string, number>>();
  const add = (group: string, muscle: string, score: number) => {
    const muscles = groups.get(group) ?? new Map<string, number>();
    muscles.set(muscle, (muscles.get(muscle) ?? 0) + score);
    groups.set(group, muscles);
  };
  for (const [group, below] of entries(targets)) {
    for (const [muscle, score] of leaves(below, group)) add(group, muscle, score);
  }
  const home = (muscle: string) => {
    const found = [...groups].find(([, muscles]) => muscles.has(muscle));
    return found?.[0] ?? groupOf(muscle);
  };
  for (const [rules, sign] of [
    ...chosen.map((r) => [r, 1] as const),
    ...usual.map((r) => [r, -1] as const),
  ]) {
    for (const [muscle, delta] of entries(ruleFor(rules, lineage))) {
      if (typeof delta === 'number') add(home(muscle), muscle, sign * delta);
    }
  }
  return [...groups]
    .map(([id, muscles]) => {
      const scored = [...muscles]
        .map(([muscle, score]) => ({ id: muscle, score: rounded(Math.max(0, score)) }))
        .filter(({ score }) => score > 0)
        .sort(byScore);
      return { id, score: rounded(scored.reduce((sum, { score }) => sum + score, 0)), muscles: scored };
    })
    .filter(({ score }) => score > 0)
    .sort(byScore);
}

// A rule for a motion holds for those that are kinds of it, unless they have their own.
function ruleFor(rules: Json, lineage: readonly string[]): Json | undefined {
  const known = new Map(entries(rules));
  const nearest = lineage.find((motion) => known.has(motion));
  return nearest === undefined ? undefined : known.get(nearest);
}

function leaves(node: Json, id: string): [string, number][] {
  const below = entries(node).filter(([key]) => key !== '_score');
  if (below.length > 0) return below.flatMap(([key, value]) => leaves(value, key));
  const own = entries(node).find(([key]) => key === '_score')?.[1];
  return typeof own === 'number' ? [[id, own]] : [];
}

function entries(json: Json | undefined): [string, Json][] {
  return typeof json === 'object' && json !== null && !Array.isArray(json) ? Object.entries(json) : [];
}

const rounded = (score: number) => Math.round(score * 100) / 100;

function byScore(a: { id: string; score: number }, b: { id: string; score: number }): number {
  return b.score - a.score || (a.id < b.id ? -1 : 1);
}
