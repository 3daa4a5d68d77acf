import { useState } from 'react';
import { useBackendFlag, useExerciseConfigOrigin, useRefresh } from '../hooks/use-exercise-config';

/** Where reference data comes from, and what is known of it. */
export function Settings() {
  const [isOn, turn] = useBackendFlag();
  const { source, version, trouble } = useExerciseConfigOrigin();
  const refresh = useRefresh();
  const [isBusy, setBusy] = useState(false);
  return (
    <main>
      <header className="screen-head">
        <h1>Settings</h1>
      </header>
      <label className="switch">
        <input type="checkbox" checked={isOn} onChange={(event) => turn(event.target.checked)} />
        <span>
          <strong>Reference data from the backend</strong>
          <span className="hint">
            Off: what this app came with, and no request. On: what is published, verified, and cached for when
            there is no network.
          </span>
        </span>
      </label>
      <dl className="facts">
        <dt>Source</dt>
        <dd>{source}</dd>
        <dt>Version</dt>
        <dd>{version}</dd>
        {isOn && trouble !== undefined && (
          <>
            <dt>Last trouble</dt>
            <dd>{trouble}</dd>
          </>
        )}
      </dl>
      {isOn && (
        <button
          type="button"
          disabled={isBusy}
          onClick={() => {
            setBusy(true);
            void refresh().then(() => setBusy(false));
          }}
        >
          Look for a new version
        </button>
      )}
    </main>
  );
}
