/**
 * Settings for tests whose time is real: no limit that a machine with much else to do could reach. Limits are
 * tested by the conformance kit, whose time is not.
 */
export const PATIENT = { initTimeoutMs: 60_000, requestTimeoutMs: 60_000, storageTimeoutMs: 60_000 };
