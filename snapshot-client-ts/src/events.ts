// A new version as soon as it is there, where a server tells of it: `GET /events` of snapshot-server.

import { compareOrder, type Version } from './format.js';
import type { ReferenceDataProvider } from './provider.js';

/** As much of the platform's `EventSource` as is used. */
export interface EventSourceLike {
  /** 2 where it has given up. */
  readonly readyState: number;
  /** Calls back at each event of this name. */
  addEventListener(event: string, listener: (event: { readonly data: string }) => void): void;
  /** Ends the connection. */
  close(): void;
}

const GIVEN_UP = 2;

/**
 * Refreshes when the server tells of a version that is newer than the current one; returns the end of that.
 *
 * It only makes a refresh come sooner: polling goes on and is what counts. There is a connection while the provider
 * would poll, so none in the background, without network, when it is stopped or the flag is off. Where the platform
 * has no `EventSource` and none is given, nothing happens.
 */
export function followEvents<T>(
  provider: ReferenceDataProvider<T>,
  url: string,
  Source: (new (url: string) => EventSourceLike) | undefined = globalThis.EventSource,
): () => void {
  let source: EventSourceLike | undefined;

  const close = (): void => {
    source?.close();
    source = undefined;
  };

  const told = async ({ data }: { readonly data: string }): Promise<void> => {
    // Past the caches, which may have what they had a second ago. A refresh that is under way may have asked too early.
    for (let attempt = 0; attempt < 2 && source && isNews(provider, data); attempt++)
      await provider.refresh({ fresh: true });
  };

  const follow = (): void => {
    const isAwake = !/paused|offline|stopped/.test(provider.getStatus().state);
    const isWanted = isAwake && provider.kind === 'remote';
    if (!isWanted || source?.readyState === GIVEN_UP) close();
    if (!isWanted || source || !Source) return;
    source = new Source(url);
    source.addEventListener('version', told);
  };

  const end = provider.on('status', follow);
  follow();
  return () => {
    end();
    close();
  };
}

function isNews<T>(provider: ReferenceDataProvider<T>, data: string): boolean {
  const current = provider.getSnapshot()?.version;
  try {
    return !current || compareOrder(JSON.parse(data) as Version, current) > 0;
  } catch {
    return true;
  }
}
