// Who tells a provider of foreground and network.

import type { RemoteConfig } from './config.js';

type Lifecycle = NonNullable<RemoteConfig['lifecycle']>;

/** A browser's tab: hidden is background. Nothing where there is no document, as on a server that renders pages. */
export function browserLifecycle(): Lifecycle {
  return (provider) => {
    if (typeof document === 'undefined') return () => {};
    const active = (): void => provider.setActive(document.visibilityState !== 'hidden');
    const online = (): void => provider.setOnline(navigator.onLine !== false);
    document.addEventListener('visibilitychange', active);
    addEventListener('online', online);
    addEventListener('offline', online);
    active();
    online();
    return () => {
      document.removeEventListener('visibilitychange', active);
      removeEventListener('online', online);
      removeEventListener('offline', online);
    };
  };
}

/** What React Native's AppState has. */
export interface AppStateLike {
  /** `active`, `background`, `inactive`, ... */
  readonly currentState: string;
  /** Calls back at each change. */
  addEventListener(event: 'change', listener: (state: string) => void): { remove(): void };
}

/** What `@react-native-community/netinfo` has. */
export interface NetInfoLike {
  /** Calls back now and at each change; returns the end of that. */
  addEventListener(listener: (state: { isConnected: boolean | null }) => void): () => void;
}

/** A React Native app: give it `AppState`, and `NetInfo` where the app has it. */
export function reactNativeLifecycle(appState: AppStateLike, netInfo?: NetInfoLike): Lifecycle {
  return (provider) => {
    // `inactive` is a glance at the notifications, not the background.
    const active = (state: string): void => provider.setActive(state !== 'background');
    active(appState.currentState);
    const subscription = appState.addEventListener('change', active);
    const endNetInfo = netInfo?.addEventListener(({ isConnected }) =>
      provider.setOnline(isConnected !== false),
    );
    return () => {
      subscription.remove();
      endNetInfo?.();
    };
  };
}
