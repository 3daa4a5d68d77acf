// What happens to a person when the world changes under the app. Each case has a world of its own.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { reasonToSkip, World } from './world.mjs';

describe('the world changes', { skip: reasonToSkip() }, () => {
  const inWorld = (name, scenario) =>
    test(name, async () => {
      const world = await World.create();
      try {
        await scenario(world);
      } finally {
        await world.end();
      }
    });

  inWorld('the flag is flipped while the app runs', async (world) => {
    world.edit('equipment', 'BARBELL', { label: 'Olympic Bar' });
    world.publish();
    const person = await world.person();
    const first = person.page.locator('.card-about').first();
    await first.getByText('Barbell').waitFor();
    await person.turnFlag(true);
    await first.getByText('Olympic Bar').waitFor();
    await person.turnFlag(false);
    await first.getByText('Barbell').waitFor();
    const made = person.requests.length;
    await person.page.reload();
    await first.getByText('Barbell').waitFor();
    assert.equal(person.requests.length, made);
    // On again: what was cached is there without a request that succeeds.
    await person.page.context().route('**/reference/**', (route) => route.abort());
    await person.goTo('Settings');
    await person.page.getByRole('checkbox', { name: /backend/ }).check();
    await person.sees('cache');
    await person.goTo('Exercises');
    await first.getByText('Olympic Bar').waitFor();
  });

  inWorld(
    'a first start with the flag on and no network shows what the app ships, then what is published',
    async (world) => {
      world.edit('equipment', 'BARBELL', { label: 'Olympic Bar' });
      world.publish();
      const person = await world.person();
      await person.page.evaluate(() => localStorage.setItem('exercise-app.backend', 'true'));
      await person.goOffline();
      await person.page.locator('.count').getByText('20 exercises').waitFor();
      await person.sees('local');
      await person.page.locator('.origin').getByText('network').waitFor();
      await person.goOnline();
      await person.goTo('Settings');
      await person.button('Look for a new version').click();
      await person.sees('network');
      await person.goTo('Exercises');
      await person.page.locator('.card-about').first().getByText('Olympic Bar').waitFor();
    },
  );

  inWorld(
    'a version that comes while a form is open keeps what was typed, and offers what it brings',
    async (world) => {
      const person = await world.person({ flag: 'on' });
      const { page } = person;
      await person.open('new');
      await person.field('Name').fill('My curl');
      await person.choose('Motion', 'Curl');
      await person.choose('Grip', 'Neutral');
      world.edit('grips', 'NEUTRAL', { is_active: false });
      world.edit('grips', 'SUPINATED', { label: 'Underhand' });
      world.publish('--allow-deactivation', 'grips=1', '--allow-broken-references', 'grips=7');
      // The device comes back to its network, so the app looks.
      await person.context.setOffline(true);
      await person.context.setOffline(false);
      const options = person.field('Grip').locator('option');
      await options.getByText('Underhand', { exact: true }).waitFor({ state: 'attached' });
      assert.equal(await person.field('Name').inputValue(), 'My curl');
      assert.equal(await person.field('Grip').inputValue(), 'NEUTRAL');
      assert.ok((await options.allInnerTexts()).some((text) => text.includes('not offered any more')));
      await person.button('Save exercise').click();
      await page.getByRole('heading', { name: 'My curl' }).waitFor();
      await page.getByRole('note').getByText('Not offered any more: NEUTRAL').waitFor();
    },
  );

  inWorld('what a saved exercise names keeps its name when it is not offered any more', async (world) => {
    const person = await world.person({ flag: 'on' });
    const { page } = person;
    await person.open('new');
    await person.field('Name').fill('My curl');
    await person.choose('Motion', 'Curl');
    await person.choose('Equipment', 'Landmine');
    await person.choose('Grip width', 'Close');
    await person.button('Save exercise').click();
    await page.getByRole('heading', { name: 'My curl' }).waitFor();
    world.edit('equipment', 'LANDMINE', { is_active: false });
    world.publish('--allow-deactivation', 'equipment=1', '--allow-broken-references', 'equipmentIcons=1');
    await person.goTo('Settings');
    await person.button('Look for a new version').click();
    await page.getByText('seq:2').first().waitFor();
    await person.goTo('Exercises');
    await page
      .locator('.cards')
      .getByText(/Not offered any more: Landmine/)
      .waitFor();
    await page.getByRole('link', { name: 'My curl' }).click();
    await page
      .getByRole('note')
      .getByText(/Not offered any more: Landmine/)
      .waitFor();
    await page.getByRole('link', { name: 'Edit' }).click();
    assert.equal(await person.field('Equipment').inputValue(), 'LANDMINE');
    await person.button('Save exercise').click();
    await page.getByText('This equipment is not offered any more.').waitFor();
    assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('aria-invalid')), 'true');
  });

  inWorld('data that is rolled back during a workout leaves the workout as it is', async (world) => {
    world.edit('equipment', 'BARBELL', { label: 'Olympic Bar' });
    world.publish();
    const person = await world.person({ flag: 'on' });
    const { page } = person;
    await person.goTo('Workout');
    await person.button('Start a workout').click();
    await person.button('Add Bench Press').click();
    await page.getByLabel('Repetitions of set 1').fill('12');
    await page.getByLabel('Set 1 is done').check();
    await page.locator('.cards').getByText('Olympic Bar').first().waitFor();
    world.rollback(1);
    await page.locator('.cards').getByText('Barbell').first().waitFor();
    assert.equal(await page.getByLabel('Repetitions of set 1').inputValue(), '12');
    await person.button('Finish').click();
    assert.match(await page.getByRole('region', { name: 'Done' }).innerText(), /1 set done, 240 kg moved/);
  });

  inWorld('a full storage costs the cache and says what cannot be saved, and no data', async (world) => {
    const person = await world.person();
    const { page } = person;
    await page.evaluate(() => {
      for (let size = 4 << 20; size > 0; size >>= 1) {
        try {
          for (let index = 0; ; index += 1) localStorage.setItem(`fill.${size}.${index}`, 'x'.repeat(size));
        } catch {
          // A smaller piece may still find room.
        }
      }
    });
    await person.turnFlag(true);
    await page.locator('.count').getByText('20 exercises').waitFor();
    await person.open('new');
    await person.field('Name').fill('No room');
    await person.choose('Motion', 'Bench Press');
    await person.button('Save exercise').click();
    await page.getByRole('alert').getByText('This device has no room left').waitFor();
    assert.equal(await person.field('Name').inputValue(), 'No room');
    await page.evaluate(() => {
      for (const key of Object.keys(localStorage)) if (key.startsWith('fill.')) localStorage.removeItem(key);
    });
    await person.button('Save exercise').click();
    await page.getByRole('heading', { name: 'No room' }).waitFor();
  });

  inWorld('two tabs show the same, and what one makes the other has', async (world) => {
    const person = await world.person({ flag: 'on' });
    const other = await person.tab();
    await other.sees('cache').catch(() => other.sees('network'));
    await person.open('new');
    await person.field('Name').fill('Made in the first tab');
    await person.choose('Motion', 'Plank');
    await person.button('Save exercise').click();
    await other.page.getByRole('link', { name: 'Made in the first tab' }).waitFor();
    world.edit('equipment', 'BARBELL', { label: 'Olympic Bar' });
    world.publish();
    for (const tab of [person, other]) {
      await tab.page.bringToFront();
      await tab.goTo('Exercises');
      await tab.page.getByText('Olympic Bar').first().waitFor();
    }
  });
});
