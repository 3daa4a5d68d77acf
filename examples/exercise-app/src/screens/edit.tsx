import { useCallback, useMemo, useRef, useState } from 'react';
import { type Modifier, useExerciseConfig } from '../hooks/use-exercise-config';
import { useRemembered } from '../hooks/use-remembered';
import { go } from '../hooks/use-route';
import { Chips, Picker, TextField } from '../parts/fields';
import { MODIFIER_NAMES } from '../parts/modifier-names';
import { ownExercises } from '../user/data';
import type { Exercise } from '../user/exercise';
import { type Faults, faultsOf } from '../user/validate';

const EMPTY: Exercise = {
  id: '',
  name: '',
  categoryId: 'STRENGTH',
  motionId: '',
  equipmentId: null,
  focusId: null,
  muscleIds: [],
  modifiers: {},
  labels: {},
};

/** Makes an exercise, or changes one of the user's own. */
export function Edit({ id }: { id: string | undefined }) {
  const own = useRemembered(ownExercises);
  const saved = own.find((exercise) => exercise.id === id);
  const [draft, setDraft] = useState(saved ?? EMPTY);
  const [judged, setJudged] = useState(false);
  const [isFull, setFull] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const { categoryId, motionId, equipmentId } = draft;

  const config = useExerciseConfig(
    useCallback(
      (service) => ({
        categories: service.getExerciseCategories(),
        motions: service.getMotions(),
        equipment: service.getEquipment(),
        focuses: service.getTrainingFocus(categoryId),
        groups: service.getMuscleGroups(),
        pickers:
          motionId === ''
            ? []
            : service.getModifiers(motionId).map((modifier) => ({
                modifier,
                usual: service.find(modifier, service.getUsualModifiers(motionId)[modifier] ?? '').row?.label,
                choices: service.getChoices(modifier, { motionId, equipmentId }),
              })),
        scored: (motion: string) => service.getScores({ motionId: motion, equipmentId: null, modifiers: {} }),
        labelOf: (table: Parameters<typeof service.find>[0], row: string) =>
          service.find(table, row).row?.label,
        rules: {
          permission: (field: string) => service.getPermission(categoryId, field),
          exists: (table: Parameters<typeof service.find>[0], row: string) =>
            service.find(table, row).row !== undefined,
        },
      }),
      [categoryId, motionId, equipmentId],
    ),
  );
  const others = useMemo(
    () => own.filter((exercise) => exercise.id !== id).map(({ name }) => name.toLowerCase()),
    [own, id],
  );
  const faults: Faults = judged ? faultsOf(draft, config.rules, others) : {};

  const change = (part: Partial<Exercise>) => setDraft({ ...draft, ...part });
  const chooseMotion = (motion: string | null) => {
    const [first] = motion === null ? [] : config.scored(motion);
    change({ motionId: motion ?? '', modifiers: {}, muscleIds: first === undefined ? [] : [first.id] });
  };
  const save = () => {
    setJudged(true);
    if (Object.keys(faultsOf(draft, config.rules, others)).length > 0) {
      // Behind the next paint the first field that is wrong is there to be found.
      requestAnimationFrame(() => form.current?.querySelector<HTMLElement>('[aria-invalid=true]')?.focus());
      return;
    }
    const exercise: Exercise = {
      ...draft,
      id: draft.id || crypto.randomUUID(),
      name: draft.name.trim(),
      labels: labelsOf(draft, config.labelOf),
    };
    const next = saved ? own.map((it) => (it.id === saved.id ? exercise : it)) : [exercise, ...own];
    if (ownExercises.set(next)) {
      go(`#/exercise/${exercise.id}`);
    } else {
      ownExercises.set(own);
      setFull(true);
    }
  };
  const remove = () => {
    ownExercises.set(own.filter((exercise) => exercise.id !== id));
    go('#/');
  };

  return (
    <main>
      <header className="screen-head">
        <a className="back" href={saved ? `#/exercise/${saved.id}` : '#/'}>
          {saved ? saved.name : 'Exercises'}
        </a>
        <h1>{saved ? 'Edit exercise' : 'New exercise'}</h1>
      </header>
      {isFull && (
        <p className="gone" role="alert">
          This device has no room left, so the exercise is not saved yet. Free some space and save again.
        </p>
      )}
      <form
        ref={form}
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          save();
        }}
      >
        <TextField
          label="Name"
          value={draft.name}
          placeholder="Such as Close-Grip Bench Press"
          fault={faults.name}
          onChange={(name) => change({ name })}
        />
        <div className="field-row">
          <Picker
            label="Category"
            value={categoryId}
            choices={config.categories}
            rememberedAs={draft.labels[categoryId]}
            fault={faults.category}
            onChange={(category) => change({ categoryId: category ?? '', focusId: null })}
          />
          <Picker
            label="Training focus"
            none="None"
            value={draft.focusId}
            choices={config.focuses}
            rememberedAs={draft.focusId === null ? undefined : draft.labels[draft.focusId]}
            fault={faults.focus}
            onChange={(focusId) => change({ focusId })}
          />
          <Picker
            label="Motion"
            none="Choose a motion"
            value={motionId}
            choices={config.motions}
            rememberedAs={draft.labels[motionId]}
            fault={faults.motion}
            onChange={chooseMotion}
          />
          <Picker
            label="Equipment"
            none="No equipment"
            value={equipmentId}
            choices={config.equipment}
            rememberedAs={equipmentId === null ? undefined : draft.labels[equipmentId]}
            fault={faults.equipment}
            onChange={(equipment) => change({ equipmentId: equipment })}
          />
        </div>
        <Chips
          label="Muscle groups"
          choices={config.groups}
          chosen={draft.muscleIds}
          fault={faults.muscles}
          onToggle={(group) =>
            change({
              muscleIds: draft.muscleIds.includes(group)
                ? draft.muscleIds.filter((it) => it !== group)
                : [...draft.muscleIds, group],
            })
          }
        />
        {config.pickers.length > 0 && <h2>Setup</h2>}
        <div className="field-row">
          {config.pickers.map(({ modifier, usual, choices }) => (
            <Picker
              key={modifier}
              label={MODIFIER_NAMES[modifier]}
              none={usual ? `As usual (${usual})` : 'As usual'}
              value={draft.modifiers[modifier] ?? null}
              choices={choices}
              rememberedAs={draft.labels[draft.modifiers[modifier] ?? '']}
              onChange={(chosen) => change({ modifiers: withModifier(draft.modifiers, modifier, chosen) })}
            />
          ))}
        </div>
        <div className="actions">
          <button type="submit" className="primary">
            Save exercise
          </button>
          {saved && (
            <button type="button" className="danger" onClick={remove}>
              Delete
            </button>
          )}
        </div>
      </form>
    </main>
  );
}

function withModifier(
  modifiers: Exercise['modifiers'],
  modifier: Modifier,
  chosen: string | null,
): Exercise['modifiers'] {
  const { [modifier]: _, ...others } = modifiers;
  return chosen === null ? others : { ...others, [modifier]: chosen };
}

// What everything is called today; what is gone keeps what it was called.
function labelsOf(
  exercise: Exercise,
  labelOf: (
    table: 'exerciseCategories' | 'motions' | 'equipment' | 'trainingFocus' | Modifier,
    id: string,
  ) => string | null | undefined,
): Exercise['labels'] {
  const labels: Record<string, string> = {};
  const note = (table: Parameters<typeof labelOf>[0], id: string | null | undefined) => {
    if (!id) return;
    const label = labelOf(table, id) ?? exercise.labels[id];
    if (label) labels[id] = label;
  };
  note('exerciseCategories', exercise.categoryId);
  note('motions', exercise.motionId);
  note('equipment', exercise.equipmentId);
  note('trainingFocus', exercise.focusId);
  for (const [modifier, id] of Object.entries(exercise.modifiers)) note(modifier as Modifier, id);
  return labels;
}
