import { useState } from 'react';
import { useExercises } from '../hooks/use-exercises';
import { useRemembered } from '../hooks/use-remembered';
import { ExerciseCard } from '../parts/exercise-card';
import { currentWorkout, finishedWorkouts } from '../user/data';
import {
  totals,
  type Workout,
  type WorkoutEntry,
  withChangedSet,
  withExercise,
  withoutEntry,
  withSet,
} from '../user/workout';

/** A live workout: choose exercises, do sets, finish. */
export function WorkoutScreen() {
  const workout = useRemembered(currentWorkout);
  const finished = useRemembered(finishedWorkouts);
  const [isFull, setFull] = useState(false);
  const set = (next: Workout | null) => setFull(!currentWorkout.set(next));
  const finish = (done: Workout) => {
    const saved = finishedWorkouts.set([{ ...done, finishedAt: new Date().toISOString() }, ...finished]);
    setFull(!saved);
    if (saved) set(null);
  };
  return (
    <main>
      {isFull && (
        <p className="gone" role="alert">
          This device has no room left: the workout is here until you close the app. Free some space and go
          on.
        </p>
      )}
      {workout === null ? (
        <Idle onStart={() => set({ startedAt: new Date().toISOString(), entries: [] })} />
      ) : (
        <Live workout={workout} onChange={set} onFinish={() => finish(workout)} />
      )}
      {workout === null && finished.length > 0 && (
        <section aria-labelledby="done">
          <h2 id="done">Done</h2>
          <ul className="history">
            {finished.map((it) => (
              <li key={it.finishedAt}>
                <time dateTime={it.finishedAt}>{new Date(it.finishedAt).toLocaleString()}</time>
                <span>{it.entries.map(({ name }) => name).join(', ')}</span>
                <span className="number">{inWords(it)}</span>
              </li>
            ))}
          </ul>
        </section>
      )}
    </main>
  );
}

function Idle({ onStart }: { onStart: () => void }) {
  return (
    <header className="screen-head">
      <h1>Workout</h1>
      <button type="button" className="primary" onClick={onStart}>
        Start a workout
      </button>
    </header>
  );
}

function Live(props: { workout: Workout; onChange: (workout: Workout) => void; onFinish: () => void }) {
  const { workout, onChange, onFinish } = props;
  const exercises = useExercises();
  const [words, setWords] = useState('');
  const found = exercises.filter(
    ({ exercise, words: own }) =>
      own.includes(words.trim().toLowerCase()) &&
      !workout.entries.some(({ exerciseId }) => exerciseId === exercise.id),
  );
  return (
    <>
      <header className="screen-head">
        <h1>Workout</h1>
        <button type="button" className="primary" disabled={totals(workout).sets === 0} onClick={onFinish}>
          Finish
        </button>
      </header>
      <p className="count" role="status">
        {inWords(workout)}
      </p>
      {workout.entries.map((entry, index) => (
        <EntryOf
          key={index}
          entry={entry}
          about={exercises.find(({ exercise }) => exercise.id === entry.exerciseId)}
          onSet={(set, change) => onChange(withChangedSet(workout, index, set, change))}
          onMore={() => onChange(withSet(workout, index))}
          onRemove={() => onChange(withoutEntry(workout, index))}
        />
      ))}
      <section aria-labelledby="add">
        <h2 id="add">Add an exercise</h2>
        <label className="visually-hidden" htmlFor="find">
          Find an exercise
        </label>
        <input
          id="find"
          type="search"
          placeholder="Find an exercise"
          value={words}
          onChange={(event) => setWords(event.target.value)}
        />
        <ul className="cards">
          {found.slice(0, 6).map((known) => (
            <li key={known.exercise.id}>
              <ExerciseCard known={known}>
                <button
                  type="button"
                  onClick={() => onChange(withExercise(workout, known.exercise.id, known.exercise.name))}
                >
                  Add<span className="visually-hidden"> {known.exercise.name}</span>
                </button>
              </ExerciseCard>
            </li>
          ))}
        </ul>
      </section>
    </>
  );
}

function EntryOf(props: {
  entry: WorkoutEntry;
  about: ReturnType<typeof useExercises>[number] | undefined;
  onSet: (set: number, change: Partial<WorkoutEntry['sets'][number]>) => void;
  onMore: () => void;
  onRemove: () => void;
}) {
  const { entry, about, onSet, onMore, onRemove } = props;
  const name = about?.exercise.name ?? entry.name;
  return (
    <section className="entry" aria-label={name}>
      <header>
        <h2>{name}</h2>
        <button type="button" className="link" onClick={onRemove}>
          Remove<span className="visually-hidden"> {name}</span>
        </button>
      </header>
      {about === undefined && <p className="gone">This exercise was deleted.</p>}
      {about !== undefined && about.gone.length > 0 && (
        <p className="gone">Not offered any more: {about.gone.join(', ')}</p>
      )}
      <table>
        <thead>
          <tr>
            <th scope="col">Set</th>
            <th scope="col">kg</th>
            <th scope="col">Reps</th>
            <th scope="col">Done</th>
          </tr>
        </thead>
        <tbody>
          {entry.sets.map((set, index) => (
            <tr key={index}>
              <th scope="row">{index + 1}</th>
              <td>
                <Amount
                  label={`Weight of set ${index + 1} in kilograms`}
                  value={set.weightKg}
                  onChange={(weightKg) => onSet(index, { weightKg })}
                />
              </td>
              <td>
                <Amount
                  label={`Repetitions of set ${index + 1}`}
                  value={set.repetitions}
                  onChange={(repetitions) => onSet(index, { repetitions })}
                />
              </td>
              <td>
                <input
                  type="checkbox"
                  aria-label={`Set ${index + 1} is done`}
                  checked={set.done}
                  onChange={(event) => onSet(index, { done: event.target.checked })}
                />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <button type="button" onClick={onMore}>
        Add set
      </button>
    </section>
  );
}

function Amount({
  label,
  value,
  onChange,
}: {
  label: string;
  value: number;
  onChange: (value: number) => void;
}) {
  return (
    <input
      type="number"
      inputMode="decimal"
      min={0}
      max={999}
      aria-label={label}
      value={value}
      onChange={(event) => {
        const number = event.target.valueAsNumber;
        if (number >= 0 && number <= 999) onChange(number);
      }}
    />
  );
}

function inWords(workout: Workout): string {
  const { sets, weightKg } = totals(workout);
  return `${sets === 1 ? '1 set' : `${sets} sets`} done, ${weightKg.toLocaleString('en')} kg moved`;
}
