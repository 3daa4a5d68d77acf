// What a phone runs of the app without its screens: the provider, the facade and the hooks, over two tables.

// For a Hermes without a TextEncoder; it comes first.
import 'tablecast-client/text-encoder';
import { asyncStorage } from 'tablecast-client/storage';
import * as hooks from '../../src/hooks/use-exercise-config';
import { createBackendFlag } from '../../src/reference/flag';
import { createProvider } from '../../src/reference/provider';
import { createExerciseConfigService } from '../../src/reference/service';

declare const print: (text: string) => void;
declare const FILES: Record<string, unknown>;

const values = new Map<string, string>();
const memory = {
  getItem: (key: string) => values.get(key) ?? null,
  setItem: (key: string, value: string) => void values.set(key, value),
};
const provider = createProvider({
  baseUrl: 'https://cdn.example.org/reference',
  enabled: createBackendFlag(false, memory),
  files: async () => FILES,
  storage: asyncStorage({
    getItem: async (key) => memory.getItem(key),
    setItem: async (key, value) => memory.setItem(key, value),
    removeItem: async (key) => void values.delete(key),
  }),
});
// A user saved OVERHAND, which is called PRONATED today.
const service = createExerciseConfigService(provider, { grips: { OVERHAND: 'PRONATED' } });

provider.on('error', (error) => print(`failed: ${error.message}`));
provider
  .getBootstrap({ allowStaleCache: true, timeoutMs: 60_000 })
  .then(() => {
    const setup = { motionId: 'BENCH_PRESS', equipmentId: null, modifiers: { gripWidths: 'CLOSE' } };
    const [chest] = service.getScores(setup);
    const facts = [
      service.getOrigin().source,
      service.getMotions().length,
      chest?.id,
      chest?.score,
      service.find('grips', 'GONE').row === undefined,
      service.find('grips', 'OVERHAND').row?.label,
      typeof hooks.useExerciseConfig,
    ];
    print(JSON.stringify(facts));
    provider.dispose();
  })
  .catch((error) => print(`failed: ${error.stack}`));
