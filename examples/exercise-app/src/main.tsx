// The browser's wiring: what the app is made of, and where.

import { createRoot } from 'react-dom/client';
import { followEvents } from 'tablecast-client/events';
import { browserLifecycle } from 'tablecast-client/lifecycle';
import { readBackendFlag } from 'tablecast-client/plan';
import { webStorage } from 'tablecast-client/storage';
import { App } from './app';
import { ReferenceContext } from './hooks/use-exercise-config';
import { createBackendFlag } from './reference/flag';
import { createProvider } from './reference/provider';
import { createExerciseConfigService } from './reference/service';
import './style.css';

const flag = createBackendFlag(readBackendFlag(import.meta.env), localStorage);
const baseUrl = new URL(import.meta.env.VITE_REFERENCE_URL ?? '/reference', location.href).href;
const provider = createProvider({
  baseUrl,
  enabled: flag,
  files: async () => (await import('./reference/files')).FILES,
  storage: webStorage(),
  lifecycle: browserLifecycle(),
});
// An edit is there as soon as it is published, where the server tells of it; elsewhere with the next poll.
followEvents(provider, `${baseUrl}/events`);
const service = createExerciseConfigService(provider);

createRoot(document.getElementById('app') as HTMLElement).render(
  <ReferenceContext value={{ service, flag }}>
    <App />
  </ReferenceContext>,
);
