import type { ReactNode } from 'react';
import type { KnownExercise } from '../hooks/use-exercises';
import { EquipmentIcon } from './icon';

/** An exercise in a list. */
export function ExerciseCard({ known, children }: { known: KnownExercise; children?: ReactNode }) {
  const { exercise, isOwn, category, equipment, icon, muscles, gone } = known;
  const about = [equipment, ...muscles.slice(0, 2).map(({ label }) => label)].join(' · ');
  return (
    <div className="card">
      <EquipmentIcon svg={icon} />
      <div className="card-text">
        <p className="card-name">
          <a href={`#/exercise/${encodeURIComponent(exercise.id)}`}>{exercise.name}</a>
          {isOwn && <span className="tag">yours</span>}
        </p>
        <p className="card-about">
          <span className="visually-hidden">{category}: </span>
          {about}
        </p>
        {gone.length > 0 && <p className="gone">Not offered any more: {gone.join(', ')}</p>}
      </div>
      {children}
    </div>
  );
}
