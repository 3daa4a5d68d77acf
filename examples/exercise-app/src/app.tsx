import { useExerciseConfigOrigin, useExerciseConfigReady } from './hooks/use-exercise-config';
import { useRoute } from './hooks/use-route';
import { Edit } from './screens/edit';
import { ExerciseScreen } from './screens/exercise';
import { Library } from './screens/library';
import { Settings } from './screens/settings';
import { WorkoutScreen } from './screens/workout';

const TABS = [
  { path: '', label: 'Exercises' },
  { path: 'workout', label: 'Workout' },
  { path: 'settings', label: 'Settings' },
] as const;

/** The app: a screen, the way to the others, and the line that says where its data is from. */
export function App() {
  const { parts } = useRoute();
  const isReady = useExerciseConfigReady();
  const [first = '', id, verb] = parts;
  const tab = TABS.find(({ path }) => path === first)?.path ?? '';
  return (
    <>
      {isReady || first === 'settings' ? <Screen first={first} id={id} verb={verb} /> : <Nothing />}
      <footer>
        <OriginLine />
        <nav aria-label="Screens">
          {TABS.map(({ path, label }) => (
            <a key={path} href={`#/${path}`} aria-current={path === tab ? 'page' : undefined}>
              {label}
            </a>
          ))}
        </nav>
      </footer>
    </>
  );
}

function Screen({ first, id, verb }: { first: string; id: string | undefined; verb: string | undefined }) {
  switch (first) {
    case 'exercise':
      return verb === 'edit' ? <Edit key={id} id={id} /> : <ExerciseScreen id={id ?? ''} />;
    case 'new':
      return <Edit key="new" id={undefined} />;
    case 'workout':
      return <WorkoutScreen />;
    case 'settings':
      return <Settings />;
    default:
      return <Library />;
  }
}

function Nothing() {
  const { trouble } = useExerciseConfigOrigin();
  return (
    <main aria-busy={trouble === undefined}>
      <h1>{trouble === undefined ? 'A moment…' : 'There is no data yet'}</h1>
      {trouble !== undefined && <p role="alert">What the app came with cannot be read ({trouble}).</p>}
    </main>
  );
}

function OriginLine() {
  const { source, version, trouble } = useExerciseConfigOrigin();
  return (
    <p className="origin" data-source={source}>
      <span className="dot" aria-hidden="true" />
      {source} · {version}
      {trouble !== undefined && ` · ${trouble}`}
    </p>
  );
}
