import { useCallback, useState } from 'react';
import { type Modifier, useExerciseConfig } from '../hooks/use-exercise-config';
import { type KnownExercise, useExercise } from '../hooks/use-exercises';
import { Picker } from '../parts/fields';
import { EquipmentIcon } from '../parts/icon';
import { MODIFIER_NAMES } from '../parts/modifier-names';
import { Scores } from '../parts/scores';

/** One exercise, and what it does for each muscle; another setup may be tried. */
export function ExerciseScreen({ id }: { id: string }) {
  const known = useExercise(id);
  if (known === undefined) {
    return (
      <main>
        <h1>There is no such exercise</h1>
        <a href="#/">All exercises</a>
      </main>
    );
  }
  return <Scoring key={id} known={known} />;
}

function Scoring({ known }: { known: KnownExercise }) {
  const { exercise, isOwn, category, equipment, icon, gone } = known;
  const { motionId, equipmentId } = exercise;
  const [tried, setTried] = useState<Partial<Record<Modifier, string>>>({});
  const scoring = useExerciseConfig(
    useCallback(
      (service) => {
        const setup = { motionId, equipmentId };
        const modifiers = { ...service.getUsualModifiers(motionId), ...exercise.modifiers, ...tried };
        return {
          groups: service.getScores({ ...setup, modifiers }),
          pickers: service.getModifiers(motionId).map((modifier) => ({
            modifier,
            value: modifiers[modifier] ?? null,
            choices: service.getChoices(modifier, setup),
          })),
          motion: service.find('motions', motionId),
          nameOf: (muscle: string) => service.find('muscles', muscle).row?.label ?? muscle,
        };
      },
      [motionId, equipmentId, exercise.modifiers, tried],
    ),
  );
  const { motion } = scoring;

  return (
    <main>
      <header className="screen-head">
        <a className="back" href="#/">
          Exercises
        </a>
        <h1>
          <EquipmentIcon svg={icon} /> {exercise.name}
        </h1>
        {isOwn && (
          <a className="button" href={`#/exercise/${encodeURIComponent(exercise.id)}/edit`}>
            Edit
          </a>
        )}
      </header>
      <p className="about">
        {category} · {motion.row?.label ?? exercise.labels[motion.id] ?? motion.id} · {equipment}
      </p>
      {motion.row?.short_description && <p>{motion.row.short_description}</p>}
      {gone.length > 0 && (
        <p className="gone" role="note">
          Not offered any more: {gone.join(', ')}. Your exercise stays as it is.
        </p>
      )}
      <div className="columns">
        <section aria-labelledby="muscles">
          <h2 id="muscles">Muscle scores</h2>
          {scoring.groups.length > 0 ? (
            <Scores groups={scoring.groups} nameOf={scoring.nameOf} />
          ) : (
            <p>There are no scores for this motion.</p>
          )}
          <p className="hint">1.00 is a muscle that limits the set, 0.10 one that merely helps.</p>
        </section>
        <section aria-labelledby="setup">
          <h2 id="setup">Try another setup</h2>
          {scoring.pickers.map(({ modifier, value, choices }) => (
            <Picker
              key={modifier}
              label={MODIFIER_NAMES[modifier]}
              none="As usual"
              value={value}
              choices={choices}
              rememberedAs={value === null ? undefined : exercise.labels[value]}
              onChange={(chosen) => {
                const { [modifier]: _, ...others } = tried;
                setTried(chosen === null ? others : { ...others, [modifier]: chosen });
              }}
            />
          ))}
          {Object.keys(tried).length > 0 && (
            <button type="button" onClick={() => setTried({})}>
              Back to this exercise
            </button>
          )}
        </section>
      </div>
    </main>
  );
}
