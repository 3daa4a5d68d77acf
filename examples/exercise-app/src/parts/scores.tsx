import type { GroupScore } from '../hooks/use-exercise-config';

/** Scores as bars, group by group. */
export function Scores(props: { groups: readonly GroupScore[]; nameOf: (muscle: string) => string }) {
  const { groups, nameOf } = props;
  const most = Math.max(...groups.map(({ score }) => score), 1);
  return (
    <ul className="scores">
      {groups.map((group) => (
        <li key={group.id}>
          <p className="score-head">
            <span>{nameOf(group.id)}</span>
            <span className="number">{group.score.toFixed(2)}</span>
          </p>
          <div className="bar" aria-hidden="true">
            <span style={{ inlineSize: `${(group.score / most) * 100}%` }} />
          </div>
          <ul className="parts">
            {group.muscles.map(({ id, score }) => (
              <li key={id}>
                <span>{nameOf(id)}</span>
                <span className="number">{score.toFixed(2)}</span>
              </li>
            ))}
          </ul>
        </li>
      ))}
    </ul>
  );
}
