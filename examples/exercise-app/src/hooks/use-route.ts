// Which screen is shown: the address behind the `#`.

import { useMemo, useSyncExternalStore } from 'react';

/** A path as its parts, and what stands behind its `?`. */
export interface Route {
  readonly parts: readonly string[];
  readonly query: URLSearchParams;
}

export function useRoute(): Route {
  const hash = useSyncExternalStore(subscribe, () => location.hash);
  return useMemo(() => {
    const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?');
    return {
      parts: path.split('/').filter(Boolean).map(decodeURIComponent),
      query: new URLSearchParams(query),
    };
  }, [hash]);
}

/** Shows another screen. */
export function go(path: string): void {
  location.hash = path;
}

function subscribe(changed: () => void): () => void {
  addEventListener('hashchange', changed);
  return () => removeEventListener('hashchange', changed);
}
