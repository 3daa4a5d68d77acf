import { useCallback, useDeferredValue, useState } from 'react';
import { useExerciseConfig } from '../hooks/use-exercise-config';
import { useExercises } from '../hooks/use-exercises';
import { ExerciseCard } from '../parts/exercise-card';
import { Picker } from '../parts/fields';

/** Every exercise: browse, search, filter. */
export function Library() {
  const exercises = useExercises();
  const categories = useExerciseConfig(useCallback((service) => service.getExerciseCategories(), []));
  const groups = useExerciseConfig(useCallback((service) => service.getMuscleGroups(), []));
  const equipment = useExerciseConfig(useCallback((service) => service.getEquipmentCategories(), []));
  const [words, setWords] = useState('');
  const [category, setCategory] = useState<string | null>(null);
  const [muscle, setMuscle] = useState<string | null>(null);
  const [equipmentCategory, setEquipmentCategory] = useState<string | null>(null);
  const searched = useDeferredValue(words.trim().toLowerCase().split(/\s+/));

  const found = exercises.filter(
    (known) =>
      searched.every((word) => known.words.includes(word)) &&
      (category === null || known.exercise.categoryId === category) &&
      (muscle === null || known.muscles.some(({ id }) => id === muscle)) &&
      (equipmentCategory === null || known.equipmentCategoryId === equipmentCategory),
  );
  const isFiltered = words !== '' || category !== null || muscle !== null || equipmentCategory !== null;
  const clear = () => {
    setWords('');
    setCategory(null);
    setMuscle(null);
    setEquipmentCategory(null);
  };

  return (
    <main>
      <header className="screen-head">
        <h1>Exercises</h1>
        <a className="button primary" href="#/new">
          New exercise
        </a>
      </header>
      <search className="filters">
        <label className="visually-hidden" htmlFor="search">
          Search exercises
        </label>
        <input
          id="search"
          type="search"
          placeholder="Search by any name"
          value={words}
          onChange={(event) => setWords(event.target.value)}
        />
        <div className="filter-row">
          <Picker label="Category" none="All" value={category} choices={categories} onChange={setCategory} />
          <Picker label="Muscle" none="All" value={muscle} choices={groups} onChange={setMuscle} />
          <Picker
            label="Equipment"
            none="All"
            value={equipmentCategory}
            choices={equipment}
            onChange={setEquipmentCategory}
          />
        </div>
      </search>
      <p className="count" role="status">
        {found.length === 1 ? '1 exercise' : `${found.length} exercises`}
        {isFiltered && (
          <button type="button" className="link" onClick={clear}>
            Clear filters
          </button>
        )}
      </p>
      <ul className="cards">
        {found.map((known) => (
          <li key={known.exercise.id}>
            <ExerciseCard known={known} />
          </li>
        ))}
      </ul>
    </main>
  );
}
