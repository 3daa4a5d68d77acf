// A provider from its parts, each of which does one thing: `current` says which snapshot is current, `queue` in which
// order the cache is used, `timer` when to ask again, `refresh` what to fetch, `outcome` and `state` what follows from
// that. One provider for all: a local one has a flag that is off, and then nothing is done with the cache or the network.

import { SYSTEM_CLOCK } from './clock.js';
import { type Flag, isOn, type ReferenceConfig, type RemoteConfig } from './config.js';
import { createCurrent } from './current.js';
import { createEmitter } from './emitter.js';
import { asError, fail, ReferenceDataError } from './errors.js';
import { majorOf, type Version } from './format.js';
import { type Generation, type Loaded, raiseMark, retain } from './loaded.js';
import { attempt, type MaybePromise } from './maybe-promise.js';
import { nextOutcome, resultOf, WELL } from './outcome.js';
import type {
  ReadOptions,
  ReadyState,
  ReferenceDataProvider,
  RefreshOptions,
  RefreshResult,
  Status,
} from './provider.js';
import { createQueue, type IsOver } from './queue.js';
import { refresh } from './refresh.js';
import { createRequests } from './requests.js';
import { checkRange, nextDelayMs } from './schedule.js';
import { type Bundled, bundledSnapshot, fetchedSnapshot, type Snapshot, type Source } from './snapshot.js';
import { type End, type Look, readyOf, sameOr, stateOf } from './state.js';
import { createTimer } from './timer.js';
import { fetchTransport } from './transport.js';
import { createUntil } from './waiting.js';

const RESUME_MS = 1000;

/** Local is a flag that is off. */
export function createProvider<T>(
  config: RemoteConfig,
  flag: ReferenceConfig['enabled'],
): ReferenceDataProvider<T> {
  const {
    clock = SYSTEM_CLOCK,
    transport = fetchTransport(),
    pollIntervalMs = 300_000,
    staleTimeMs = pollIntervalMs,
    requestTimeoutMs = 10_000,
    initTimeoutMs = 5_000,
    schemaMajors = [1],
    // Only to be checked.
    maxObjectBytes = 1,
  } = config;
  checkRange('pollIntervalMs', pollIntervalMs, 5_000, 86_400_000);
  checkRange('maxObjectBytes', maxObjectBytes, 1, Infinity);
  const baseUrl = config.baseUrl.replace(/\/*$/, '/');
  const [get, abort] = createRequests(baseUrl, transport, clock, requestTimeoutMs);
  const [emit, listen] = createEmitter();
  const until = createUntil(clock, listen);
  const loaded: Loaded = { texts: new Map(), mark: undefined };
  const knows = (version: Version): boolean => schemaMajors.includes(majorOf(version));
  const report = (error: ReferenceDataError): void => emit('error', error);
  const owner = { config, clock, loaded, knows, report };
  const cache = config.storage?.open(owner);

  let end: End;
  // By the flag.
  let on = isOn(flag);
  // The app is in the foreground; the device has a network.
  let active = true;
  let online = true;
  let look: Look = 'first';
  let bundled: Snapshot<T> | undefined;
  // The refresh under way, and how many have ended.
  let cycle: Promise<RefreshResult> | undefined;
  let cycles = 0;
  let outcome = WELL;
  // Not a number before the first confirmation.
  let confirmedAt: number | undefined;
  let status: Status | undefined;

  const [snapshot, add, choose] = createCurrent<T>(
    () => on,
    (change) => {
      if (change.to) raiseMark(loaded, change.to);
      emit('change', change);
      if (!change.from && look !== 'first') emit('ready', ready());
    },
  );
  const [now, later, cut] = createQueue();
  const [dueIn, set, plannedAt] = createTimer(clock, refreshNow);

  // --- what is current ---

  /** Whether the server has confirmed the version, and not too long ago. */
  function isFresh(): boolean {
    return on ? clock.now() - (confirmedAt as number) <= staleTimeMs : snapshot() !== undefined;
  }

  const ready = (): ReadyState => readyOf(snapshot(), on && isFresh());

  function take(generation: Generation, source: Source = 'cache'): void {
    add(fetchedSnapshot<T>(generation, source, retain(loaded, generation)));
  }

  function result(
    status: RefreshResult['status'],
    before: Snapshot<T> | undefined,
    error?: ReferenceDataError,
  ): RefreshResult {
    return resultOf(status, before, snapshot(), error);
  }

  const isRunning = (): boolean => on && !end;

  /** Loads what the cache has, where that is newer. */
  function lookIntoCache(isOver: IsOver): MaybePromise<void> {
    return cache?.load(snapshot()?.version, isOver, take);
  }

  // --- refreshing ---

  /** The refresh under way, or a new one. */
  function refreshNow(fresh?: boolean): Promise<RefreshResult> {
    if (!cycle) {
      cycle = later(async (isOver) => {
        const result = await runCycle(isOver, fresh);
        cycles++;
        if (!isOver()) cycle = undefined;
        schedule();
        return result;
      });
      schedule();
    }
    return cycle;
  }

  async function runCycle(isOver: IsOver, fresh: boolean | undefined): Promise<RefreshResult> {
    const before = snapshot();
    let next: Generation | undefined;
    let error: ReferenceDataError | undefined;
    follow();
    if (isOver() || !online) return result('skipped', before);
    try {
      await lookIntoCache(isOver);
      next = await refresh(get, owner, snapshot()?.version, bundled as Snapshot | undefined, fresh);
      // Stored first: after a restart an app must not see less than before.
      if (next && !isOver()) await cache?.commit(next);
    } catch (thrown) {
      error = asError(thrown, 'network', baseUrl);
    }
    if (isOver()) return result('skipped', before);
    conclude(error);
    if (next) take(next, 'network');
    return result(error ? 'failed' : snapshot() === before ? 'not-modified' : 'updated', before, error);
  }

  /** A refresh has come to its end, by this error or well. */
  function conclude(error?: ReferenceDataError): void {
    const before = outcome;
    outcome = nextOutcome(before, error);
    const { failures, updateRequired } = outcome;
    dueIn(nextDelayMs(error, failures, pollIntervalMs, clock.random()));
    if (error) {
      report(error);
      if (updateRequired !== before.updateRequired) emit('updateRequired', updateRequired);
    } else {
      confirmedAt = clock.now();
      if (before.failures) emit('recovered');
    }
  }

  // --- time ---

  /** One timer at most, for what is due next; the status that goes with it; and who waits for that. */
  function schedule(atLeastMs = 0): void {
    set(isRunning() && config.polling !== 'manual' && active && online && !look && !cycle, atLeastMs);
    const before = status;
    const now = currentStatus();
    if (now !== before) emit('status', now);
    emit('turn');
  }

  /** The same object until something in it changes; freshness ends by itself, without an event. */
  function currentStatus(): Status {
    status = sameOr(status, {
      state: stateOf({
        stopped: end,
        loading: look,
        idle: !on,
        refreshing: cycle,
        paused: !active,
        offline: !online,
        backoff: outcome.failures,
      }),
      ready: ready(),
      nextRefreshAt: plannedAt(),
      ...outcome,
    });
    return status;
  }

  // --- reading and waiting ---

  async function getBootstrap({
    allowStaleCache,
    timeoutMs = initTimeoutMs,
  }: ReadOptions = {}): Promise<Snapshot<T>> {
    if (end === 'disposed') fail('disposed', baseUrl);
    follow();
    await until(() => !look, timeoutMs);
    if (!isFresh()) {
      const before = cycles;
      // A planned retry is what a read waits for: readers must not hammer a server that is down.
      if (isRunning() && !(outcome.failures && plannedAt())) void refreshNow();
      if (!allowStaleCache || !snapshot())
        await until(() => isFresh() || cycles > before || !isRunning(), timeoutMs);
    }
    const current = snapshot();
    if (current && (allowStaleCache || isFresh())) return current;
    const cause = outcome.lastError;
    return fail(current ? 'stale' : 'no_data', cause?.message ?? baseUrl, { cause });
  }

  async function waitForReady({ timeoutMs = initTimeoutMs }: ReadOptions = {}): Promise<ReadyState> {
    follow();
    const isReady = (): boolean => isFresh() || cycles > 0 || !(plannedAt() || cycle);
    await until(() => !look && isReady(), timeoutMs);
    return ready();
  }

  async function refreshFor({ signal, fresh }: RefreshOptions = {}): Promise<RefreshResult> {
    follow();
    const before = snapshot();
    if (!isRunning()) return result('skipped', before);
    return new Promise((resolve) => {
      const giveUp = (): void =>
        resolve(result('failed', before, new ReferenceDataError('aborted', baseUrl)));
      if (signal?.aborted) return giveUp();
      signal?.addEventListener('abort', giveUp);
      void refreshNow(fresh).then(resolve);
    });
  }

  // --- the flag, the beginning and the end ---

  /** Does what the flag says now. */
  function follow(): void {
    const wanted = isOn(flag);
    if (wanted === on || end === 'disposed') return;
    on = wanted;
    // Whoever follows the status hears of it, whatever else stays the same.
    status = undefined;
    drop();
    choose();
    if (!look) {
      look = 'again';
      // A local side that could not be used is tried again, and told again.
      now(bundled ? open : begin);
    }
    schedule();
  }

  /** Makes current what is bundled, then what the cache has; at once where nothing is asynchronous. */
  function begin(isOver: IsOver): MaybePromise<void> {
    const found = (given: Bundled | undefined): MaybePromise<void> => {
      if (given && knows(given.version)) {
        bundled = bundledSnapshot<T>(given);
        add(bundled);
      } else if (flag !== true) {
        // Only a provider that is always remote may have none, or one of another app.
        fail('no_data', 'bundled');
      }
      return open(isOver);
    };
    const unusable = (thrown: unknown): MaybePromise<void> => {
      report(asError(thrown, 'no_data', 'bundled'));
      return open(isOver);
    };
    const given = (): MaybePromise<Bundled | undefined> =>
      typeof config.bundled === 'function' ? config.bundled() : config.bundled;
    return attempt(given, found, unusable);
  }

  function open(isOver: IsOver): MaybePromise<void> {
    const opened = (): void => {
      const isFirst = look === 'first';
      look = undefined;
      dueIn();
      if (isFirst) emit('ready', ready());
      schedule();
    };
    return attempt(() => on && lookIntoCache(isOver), opened, opened);
  }

  /** What is under way will have nothing to say. */
  function drop(): void {
    cut();
    cycle = undefined;
    abort();
  }

  function stop(how: End): void {
    end = how;
    drop();
    schedule();
  }

  const provider: ReferenceDataProvider<T> = {
    get kind() {
      return on ? 'remote' : 'local';
    },
    getVersion: async (options) => (await getBootstrap(options)).version,
    getBootstrap,
    getTable: async (key, options) => (await getBootstrap(options)).table(key),
    getSnapshot: snapshot,
    subscribe: (changed) => listen('change', changed),
    getStatus: currentStatus,
    on: listen,
    waitForReady,
    refresh: refreshFor,
    start: () => {
      if (end !== 'stopped') return;
      end = undefined;
      dueIn();
      schedule();
    },
    stop: () => stop(end ?? 'stopped'),
    setActive: (is) => {
      if (is === active) return;
      active = is;
      schedule(RESUME_MS);
    },
    setOnline: (is) => {
      if (is === online) return;
      online = is;
      // What failed for want of a network need not wait for its turn.
      if (outcome.failures) dueIn();
      schedule(RESUME_MS);
    },
    dispose: () => {
      for (const unsubscribe of ends) unsubscribe?.();
      stop('disposed');
    },
  };
  now(begin);
  const ends = [
    (flag as Partial<Flag> | undefined)?.subscribe?.(follow),
    cache?.watch(() => {
      if (isRunning()) void later(lookIntoCache);
    }),
    config.lifecycle?.(provider),
  ];
  return provider;
}
