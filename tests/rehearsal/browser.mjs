// One user who sits before a real browser: the exercise app, and what stands on its screen.

import { existsSync } from 'node:fs';
import { Person, serveApp, startBrowser } from '../../examples/exercise-app/test/world.mjs';

/** A user with a browser; undefined where there is none. */
export async function openBrowser(publicUrl) {
  if (!existsSync(process.env.CHROMIUM ?? '/usr/bin/chromium')) return undefined;
  const app = await serveApp(publicUrl);
  const browser = await startBrowser();
  const person = await Person.arrives(browser, app.url, 'off', {});
  return {
    isOn: false,

    /** Turns the flag, as a person does. */
    async turn(on) {
      if (on === this.isOn) return;
      this.isOn = on;
      await person.goTo('Settings');
      const box = person.page.getByRole('checkbox', { name: /Reference data from the backend/ });
      await (on ? box.check() : box.uncheck());
    },

    /** Waits until the grips of an exercise have these names. */
    async sees(...labels) {
      await person.open('exercise/bench-press');
      const grips = person.field('Grip').locator('option');
      for (const label of labels)
        await grips.getByText(label, { exact: true }).waitFor({ state: 'attached' });
    },

    /** How many requests it made for reference data. */
    requests: () => person.requests.length,

    /** The app is closed and opened again. */
    restart: () => person.page.reload(),

    async close() {
      await browser.close();
      await app.end();
    },
  };
}
