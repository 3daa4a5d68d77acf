// What the example service answers, written by hand from json-source/: real ids, and one that is nothing.

/** The app's own files that are no plain lists: what their table has beyond what they say. */
export const SOURCE_OPTIONS = {
  tables: {
    equipmentIcons: {
      mapKey: ['id', 'equipment_id'],
      defaults: {
        common_names: [],
        icon: null,
        is_active: true,
        label: null,
        short_description: null,
        sort_order: 0,
      },
    },
  },
};

const ids = (text) => text.trim().split(/\s+/);

/** Each call: with what, and the ids of its rows, or how many there are from which to which, or its value. */
export const ANSWERS = [
  {
    call: 'getExerciseCategories',
    ids: ids('STRENGTH CARDIO PLYOMETRICS MOBILITY BALANCE REHABILITATION BREATHWORK'),
  },
  {
    call: 'getCardioTypes',
    ids: ids(`EASY STEADY_STATE TEMPO THRESHOLD VO2MAX_INTERVALS HIIT TABATA SPRINT_INTERVALS FARTLEK PYRAMID HILL_REPEATS
      LONG_DISTANCE PROGRESSION CIRCUIT CROSS_TRAINING BRICK WALK_RUN RUCKING`),
  },
  {
    call: 'getTrainingFocus',
    ids: ids(`MAXIMAL_STRENGTH HYPERTROPHY STRENGTH_ENDURANCE POWER REACTIVE_STRENGTH SPEED AGILITY AEROBIC_BASE
      AEROBIC_POWER ANAEROBIC_CAPACITY FAT_OXIDATION WORK_CAPACITY FLEXIBILITY ACTIVE_RANGE MOTOR_CONTROL JOINT_HEALTH
      POSTURE STATIC_BALANCE DYNAMIC_BALANCE CORE_STABILITY GRIP_STRENGTH BREATH_CONTROL RELAXATION`),
  },
  {
    call: 'getEquipmentCategories',
    ids: ids(`FREE_WEIGHTS BARS HAND_WEIGHTS ODD_OBJECTS WEIGHT_PARTS CABLES CABLE_HANDLES MACHINES LEG_MACHINES
      UPPER_BODY_MACHINES CARDIO_MACHINES BODYWEIGHT_STATIONS ELASTICS BENCHES_AND_RACKS BALANCE_TOOLS MOBILITY_TOOLS
      WEARABLES`),
  },
  { call: 'getEquipment', count: 89, from: 'BARBELL', to: 'ANKLE_WEIGHTS' },
  { call: 'getGrips', count: 30, from: 'PRONATED', to: 'PRONATED_TO_NEUTRAL' },
  { call: 'getMotions', count: 99, from: 'HORIZONTAL_PRESS', to: 'NECK_EXTENSION' },
  {
    call: 'getPrimaryMuscles',
    ids: ids('NECK SHOULDERS CHEST BACK ARMS FOREARMS CORE HIPS THIGHS LOWER_LEGS'),
  },
  {
    call: 'getMusclesBelow',
    with: ['BACK'],
    ids: ids(`SHOULDER_GIRDLE TRAPEZIUS RHOMBOIDS LATISSIMUS_DORSI TERES_MAJOR ERECTOR_SPINAE MULTIFIDUS
      QUADRATUS_LUMBORUM`),
  },
  { call: 'getMusclesBelow', with: ['SHOULDERS'], ids: ['DELTOID', 'ROTATOR_CUFF'] },
  { call: 'getEquipmentOf', with: ['CABLES'], ids: ids('CABLE_STACK DUAL_CABLE LAT_TOWER LOW_ROW_STATION') },
  // Its other one, VIBRATION_PLATE, is retired.
  { call: 'getEquipmentOf', with: ['MACHINES'], ids: ['SMITH_MACHINE'] },
  { call: 'getMotionPathsOf', with: ['BENCH_PRESS'], ids: ids('BENCH_ARC BENCH_VERTICAL GUILLOTINE') },
  // Its other one, BEHIND_NECK, is retired.
  { call: 'getMotionPathsOf', with: ['LAT_PULLDOWN'], ids: ['TO_CHEST'] },
  {
    call: 'getEquipmentIcon',
    with: ['BARBELL'],
    value:
      '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round"><rect x="3" y="7" width="2.5" height="10" rx="1"/><rect x="18.5" y="7" width="2.5" height="10" rx="1"/><path d="M1 12h2M5.5 12h13M21 12h2"/></svg>',
  },
  { call: 'getEquipmentIcon', with: ['CHEST'], value: undefined },
  {
    call: 'getMuscleTargets',
    with: ['ELBOW_FLEXION'],
    value: {
      ARMS: {
        _score: 2.2,
        BICEPS_BRACHII: {
          _score: 1.6,
          BICEPS_LONG_HEAD: { _score: 0.8 },
          BICEPS_SHORT_HEAD: { _score: 0.8 },
        },
        BRACHIALIS: { _score: 0.6 },
      },
      FOREARMS: { _score: 0.5, BRACHIORADIALIS: { _score: 0.35 }, WRIST_FLEXORS: { _score: 0.15 } },
    },
  },
  { call: 'getMuscleTargets', with: ['BARBELL'], value: undefined },
];

/** What a service answers, in the form in which it is written above. */
export async function ask(service) {
  const answers = [];
  for (const { call, with: given = [], ...expected } of ANSWERS) {
    const answer = await service[call](...given);
    const said = { call, ...(given.length > 0 && { with: given }) };
    if ('value' in expected) answers.push({ ...said, value: answer });
    else if ('ids' in expected) answers.push({ ...said, ids: answer.map(({ id }) => id) });
    else answers.push({ ...said, count: answer.length, from: answer.at(0)?.id, to: answer.at(-1)?.id });
  }
  return answers;
}
