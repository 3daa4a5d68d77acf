// The tables that the app ships: its own source files, as they are. A part of its own, loaded behind the first frame.

/** By path, whose last part names the table. */
export const FILES: Readonly<Record<string, unknown>> = import.meta.glob('../../../../json-source/*.json', {
  eager: true,
  import: 'default',
});
