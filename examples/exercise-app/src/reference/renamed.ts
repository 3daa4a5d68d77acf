// Keys that were renamed since an app was released: what its users have saved still holds the old ones.

import type { ReferenceTables } from './tables';

/** By table, the key of today for each key of yesterday. */
export type Renamed = { readonly [K in keyof ReferenceTables]?: { readonly [old: string]: string } };

/** Every renaming that somebody's saved exercises may be older than. */
export const RENAMED: Renamed = {};
