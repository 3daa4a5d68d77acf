// The screens for everybody: axe-core finds nothing, a keyboard is enough, and 360 pixels are wide enough.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, before, describe, test } from 'node:test';
import { reasonToSkip, World } from './world.mjs';

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

describe('the screens are for everybody', { skip: reasonToSkip() }, () => {
  let world;
  before(async () => {
    world = await World.create();
  });
  after(() => world?.end());

  const screens = [
    ['library', (person) => person.open('')],
    ['exercise', (person) => person.open('exercise/bench-press')],
    ['no exercise', (person) => person.open('exercise/none')],
    [
      'form with faults',
      async (person) => {
        await person.open('new');
        await person.choose('Motion', 'Bench Press');
        await person.button('Save exercise').click();
      },
    ],
    [
      'workout',
      async (person) => {
        await person.open('workout');
        await person.button('Start a workout').click();
        await person.button('Add Bench Press').click();
      },
    ],
    ['settings', (person) => person.open('settings')],
  ];

  for (const scheme of ['light', 'dark']) {
    test(`${scheme}: no violation, and nothing is wider than 360 pixels`, async () => {
      const person = await world.person({ colorScheme: scheme, viewport: { width: 360, height: 740 } });
      for (const [name, enter] of screens) {
        await enter(person);
        await person.page.getByRole('heading', { level: 1 }).waitFor();
        await person.page.addScriptTag({ path: AXE });
        const { violations, passes } = await person.page.evaluate(() => globalThis.axe.run());
        assert.ok(passes.length > 10, name);
        assert.deepEqual(
          violations.map(({ id, nodes }) => `${name}: ${id}: ${nodes.map(({ html }) => html).join(' ')}`),
          [],
        );
        const width = await person.page.evaluate(() => document.documentElement.scrollWidth);
        assert.equal(width, 360, name);
      }
      await person.close();
    });
  }

  test('an exercise is made and scored with the keyboard alone', async () => {
    const person = await world.person();
    const { page } = person;
    const press = (key) => page.keyboard.press(key);
    const focused = () =>
      page.evaluate(() => {
        const it = document.activeElement;
        return it?.labels?.[0]?.innerText ?? it?.textContent ?? '';
      });
    const tabTo = async (name) => {
      for (let presses = 0; presses < 60; presses += 1) {
        if ((await focused()) === name) return;
        await press('Tab');
      }
      assert.fail(`"${name}" cannot be reached by Tab`);
    };
    await page.locator('.count').getByText('20 exercises').waitFor();
    await tabTo('New exercise');
    await press('Enter');
    await tabTo('Name');
    await page.keyboard.type('Made by keys');
    await tabTo('Motion');
    await page.keyboard.type('Dip');
    await tabTo('Save exercise');
    await press('Enter');
    await page.getByRole('heading', { name: 'Made by keys' }).waitFor();
    await page.locator('.about').getByText('Dip').waitFor();
    await tabTo('Workout');
    await press('Enter');
    await tabTo('Start a workout');
    await press('Space');
    await tabTo('Add Made by keys');
    await press('Enter');
    await page.getByRole('region', { name: 'Made by keys' }).waitFor();
    await person.close();
  });
});
