// The four paths of the app, each with the flag off, with it on, and on without network: what a person sees, and
// which requests were made. The ids and figures are those of json-source/, read and added up by hand.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { picture } from './pictures.mjs';
import { reasonToSkip, World } from './world.mjs';

const MODES = ['off', 'on', 'offline'];
const GRIPS_OF_A_BARBELL = ['As usual (Pronated)', 'Pronated', 'Supinated', 'Mixed', 'Hook', 'Thumbless'];

describe('the smoke paths', { skip: reasonToSkip() }, () => {
  let world;
  before(async () => {
    world = await World.create();
  });
  after(() => world?.end());

  for (const mode of MODES) {
    test(`library, flag ${mode}: browse, search, filter`, async () => {
      const person = await personIn(mode);
      const { page } = person;
      const names = () => page.locator('.cards .card-name a').allInnerTexts();
      const count = page.locator('.count');
      await count.getByText('20 exercises').waitFor();
      assert.deepEqual((await names()).slice(0, 3), ['Bench Press', 'Incline Dumbbell Press', 'Push-Up']);
      assert.equal(
        await page.locator('.card-about').first().innerText(),
        'Strength:\nBarbell · Chest · Upper Arms',
      );
      // Its icon is a row of its own table.
      const mask = await page
        .locator('.cards .icon span')
        .first()
        .evaluate((it) => it.style.maskImage);
      assert.match(decodeURIComponent(mask), /<rect x="3" y="7" width="2.5" height="10" rx="1"\/>/);
      await picture(person, `library-${mode}`);

      // A name in another language is one of the motion's common names.
      await person.field('Search exercises').fill('kreuzheben');
      await count.getByText('2 exercises').waitFor();
      assert.deepEqual(await names(), ['Deadlift', 'Romanian Deadlift']);
      await person.button('Clear filters').click();

      await person.choose('Category', 'Plyometrics');
      await count.getByText('1 exercise', { exact: false }).waitFor();
      assert.deepEqual(await names(), ['Box Jump']);
      await person.choose('Category', 'All');

      await person.choose('Muscle', 'Lower Legs');
      await count.getByText('4 exercises').waitFor();
      assert.deepEqual(await names(), ['Back Squat', 'Calf Raise', "Farmer's Carry", 'Box Jump']);
      await person.choose('Muscle', 'All');

      await person.choose('Equipment', 'Hand Weights');
      await count.getByText('7 exercises').waitFor();
      await person.choose('Muscle', 'Shoulders');
      assert.deepEqual(await names(), ['Incline Dumbbell Press', 'Lateral Raise']);
      await requestsAreThoseOf(mode, person);
    });

    test(`create and edit, flag ${mode}: judged, saved, changed, deleted`, async () => {
      const person = await personIn(mode);
      const { page } = person;
      await page.getByRole('link', { name: 'New exercise' }).click();
      await person.button('Save exercise').click();
      assert.deepEqual(await page.locator('.fault').allInnerTexts(), [
        'Give it a name.',
        'Choose a motion.',
        'Choose at least one muscle group.',
      ]);
      const groups = page.getByRole('group', { name: 'Muscle groups' }).getByRole('button');
      assert.deepEqual(
        await groups.allInnerTexts(),
        'Neck,Shoulders,Chest,Back,Upper Arms,Forearms,Core,Hips,Thighs,Lower Legs'.split(','),
      );
      await person.field('Name').fill('Close-grip bench');
      await person.choose('Motion', 'Bench Press');
      // The motion's first group is proposed.
      assert.equal(await person.button('Chest').getAttribute('aria-pressed'), 'true');
      await person.button('Upper Arms').click();
      await person.choose('Equipment', 'Barbell');
      await person.choose('Training focus', 'Muscle Growth');
      // What a barbell allows, and the paths of this motion beside those of any.
      const options = (label) => person.field(label).locator('option').allInnerTexts();
      assert.ok((await options('Equipment')).includes('Cable Stack'));
      // What can only be hung on something else.
      assert.ok(!(await options('Equipment')).includes('D-Handle'));
      assert.ok(!(await options('Training focus')).includes('Reactive Strength'));
      assert.deepEqual(await options('Grip'), GRIPS_OF_A_BARBELL);
      assert.ok((await options('Motion path')).includes('J-Curve'));
      assert.ok(!(await options('Motion path')).includes('To the Collarbones'));
      await person.choose('Grip width', 'Close');
      await picture(person, `edit-${mode}`);
      await person.button('Save exercise').click();

      await page.getByRole('heading', { name: 'Close-grip bench' }).waitFor();
      assert.equal(await page.locator('.about').innerText(), 'Strength · Bench Press · Barbell');
      await page.getByRole('link', { name: 'Edit' }).click();
      assert.equal(await person.field('Grip width').inputValue(), 'CLOSE');
      assert.equal(await person.field('Training focus').inputValue(), 'HYPERTROPHY');
      await person.field('Name').fill('Narrow bench');
      await person.button('Save exercise').click();
      await page.getByRole('heading', { name: 'Narrow bench' }).waitFor();

      // It is there after a restart of the app, and never left the browser.
      await page.reload();
      await person.goTo('Exercises');
      assert.equal(await page.locator('.cards .card-name').first().innerText(), 'Narrow bench\nyours');
      assert.deepEqual(
        person.requests.filter((request) => request.method() !== 'GET' || request.postData() !== null),
        [],
      );
      await page.getByRole('link', { name: 'Narrow bench' }).click();
      await page.getByRole('link', { name: 'Edit' }).click();
      await person.button('Delete').click();
      await page.locator('.count').getByText('20 exercises').waitFor();
      await requestsAreThoseOf(mode, person);
    });

    test(`live workout, flag ${mode}: choose, sets, finish`, async () => {
      const person = await personIn(mode);
      const { page } = person;
      await person.goTo('Workout');
      await person.button('Start a workout').click();
      assert.ok(await person.button('Finish').isDisabled());
      await person.field('Find an exercise').fill('sumo');
      assert.equal(await page.locator('.cards .card').count(), 0);
      await person.field('Find an exercise').fill('bankdrücken');
      assert.deepEqual(await page.locator('.cards .card-name').allInnerTexts(), [
        'Bench Press',
        'Incline Dumbbell Press',
      ]);
      await person.button('Add Bench Press').click();
      const bench = page.getByRole('region', { name: 'Bench Press' });
      await bench.getByLabel('Weight of set 1 in kilograms').fill('60');
      await bench.getByLabel('Repetitions of set 1').fill('10');
      await bench.getByLabel('Set 1 is done').check();
      await bench.getByRole('button', { name: 'Add set' }).click();
      await bench.getByLabel('Repetitions of set 2').fill('6');
      await bench.getByLabel('Set 2 is done').check();
      await page.locator('.count').getByText('2 sets done, 960 kg moved').waitFor();
      await picture(person, `workout-${mode}`);

      // An app that is closed in the middle goes on there.
      await page.reload();
      await person.button('Finish').click();
      const done = page.getByRole('region', { name: 'Done' });
      assert.match(await done.innerText(), /Bench Press/);
      assert.match(await done.innerText(), /2 sets done, 960 kg moved/);
      await requestsAreThoseOf(mode, person);
    });

    test(`scoring, flag ${mode}: the muscles of an exercise, and of another setup`, async () => {
      const person = await personIn(mode);
      const { page } = person;
      await page.getByRole('link', { name: 'Bench Press', exact: true }).click();
      await page.getByText('Lying on a bench, the load is lowered').waitFor();
      const scores = () => page.locator('.scores').innerText();
      assert.deepEqual(lines(await scores()), [
        ...['Chest 1.70', 'Middle Chest 0.95', 'Upper Chest 0.40', 'Lower Chest 0.35'],
        ...[
          'Upper Arms 1.05',
          'Triceps, Lateral Head 0.45',
          'Triceps, Medial Head 0.35',
          'Triceps, Long Head 0.25',
        ],
        ...['Shoulders 0.45', 'Front Deltoid 0.45'],
      ]);
      await person.choose('Grip width', 'Close');
      await page.getByText('0.75').waitFor();
      // CLOSE: sternal -0.2, lateral +0.2, medial +0.15, anterior +0.05; MEDIUM_WIDE, the usual one, has no rule.
      assert.deepEqual(lines(await scores()), [
        ...['Chest 1.50', 'Middle Chest 0.75', 'Upper Chest 0.40', 'Lower Chest 0.35'],
        ...[
          'Upper Arms 1.40',
          'Triceps, Lateral Head 0.65',
          'Triceps, Medial Head 0.50',
          'Triceps, Long Head 0.25',
        ],
        ...['Shoulders 0.50', 'Front Deltoid 0.50'],
      ]);
      await picture(person, `scoring-${mode}`);
      await person.button('Back to this exercise').click();
      await page.getByText('1.70').waitFor();

      // A kind of another motion has that one's rules where it has none: a press lying on the back.
      await person.choose('Torso orientation', 'Upright');
      await page.getByText('Serratus Anterior').waitFor();
      assert.ok(lines(await scores()).includes('Serratus Anterior 0.10'));
      await requestsAreThoseOf(mode, person);
    });
  }

  /** A person whose app is in this mode, at the library. */
  async function personIn(mode) {
    const person = await world.person({ flag: mode === 'off' ? 'off' : 'on' });
    after(() => person.close());
    if (mode === 'offline') {
      await person.goOffline();
      await person.sees('cache');
    } else {
      await person.sees(mode === 'on' ? 'network' : 'local');
    }
    return person;
  }

  /** Off: none. On: some, and each with an answer. Offline: some, and none with an answer. */
  async function requestsAreThoseOf(mode, person) {
    const answers = await Promise.all(person.requests.map((request) => request.response()));
    const statuses = answers.map((answer) => answer?.status());
    if (mode === 'off') {
      assert.deepEqual(statuses, []);
      await person.sees('local');
    } else if (mode === 'on') {
      assert.ok(statuses.length > 0);
      assert.deepEqual(
        statuses.filter((status) => status !== 200),
        [],
      );
    } else {
      assert.ok(statuses.length > 0);
      assert.deepEqual(
        statuses.filter((status) => status !== undefined),
        [],
      );
      await person.sees('cache');
    }
  }
});

/** The text of a list of names and numbers, a line for each pair. */
function lines(text) {
  const words = text.split('\n').filter(Boolean);
  return words.flatMap((word, index) => (index % 2 === 0 ? [`${word} ${words[index + 1]}`] : []));
}
