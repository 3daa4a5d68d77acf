// biome-ignore-all lint/suspicious/noAssignInExpressions: a step of a round is one expression, and no smaller
// BLAKE3-256 in plain JavaScript, for engines without WebAssembly or a hash of their own.
//
// What makes it quick is only that the sixteen words of the state and those of the message are local
// variables: no array is touched and nothing allocated within a block. The seven rounds are a loop, which
// is a third of the unrolled size and sooner compiled.

// As in SHA-256: the first 32 bits behind the point of the square roots of the first eight primes.
const IV = [2, 3, 5, 7, 11, 13, 17, 19].map((prime) => (Math.sqrt(prime) * 2 ** 32) | 0);
const CHUNK_BYTES = 1024;
const BLOCK_BYTES = 64;
const CHUNK_START = 1;
const CHUNK_END = 2;
const PARENT = 4;
const ROOT = 8;

/** The BLAKE3-256 hash of these bytes, in 64 lower-case hexadecimal digits. */
export function blake3(input: Uint8Array): string {
  const chunks = Math.ceil(input.length / CHUNK_BYTES) || 1;
  // Aligned and filled up with zeros. Every platform that runs JavaScript is little-endian.
  const bytes = new Uint8Array(chunks * CHUNK_BYTES);
  bytes.set(input);
  const words = new Int32Array(bytes.buffer);

  /** The value of the subtree of so many chunks from this one on. */
  function subtree(first: number, count: number, root: number): Int32Array {
    const value = new Int32Array(IV);
    if (count > 1) {
      // The left half is the largest power of two that leaves something for the right one.
      const half = 1 << (31 - Math.clz32(count - 1));
      const both = [...subtree(first, half, 0), ...subtree(first + half, count - half, 0)];
      compress(value, new Int32Array(both), 0, 0, BLOCK_BYTES, PARENT | root);
    } else {
      let at = first * CHUNK_BYTES;
      const end = Math.min(at + CHUNK_BYTES, input.length);
      let flags = CHUNK_START;
      do {
        const length = Math.min(BLOCK_BYTES, end - at);
        const next = at + BLOCK_BYTES;
        compress(value, words, at / 4, first, length, next < end ? flags : flags | CHUNK_END | root);
        flags = 0;
        at = next;
      } while (at < end);
    }
    return value;
  }

  const hash = new Uint8Array(subtree(0, chunks, ROOT).buffer);
  return [...hash].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

// biome-ignore format: a round is easier to compare with the paper in this form
function compress(
  value: Int32Array, words: Int32Array, at: number, counter: number, length: number, flags: number,
): void {
  let s0 = value[0]!, s1 = value[1]!, s2 = value[2]!, s3 = value[3]!, s4 = value[4]!, s5 = value[5]!, s6 = value[6]!, s7 = value[7]!;
  let s8 = IV[0]!, s9 = IV[1]!, s10 = IV[2]!, s11 = IV[3]!;
  let s12 = counter, s13 = 0, s14 = length, s15 = flags;
  let m0 = words[at++]!, m1 = words[at++]!, m2 = words[at++]!, m3 = words[at++]!, m4 = words[at++]!, m5 = words[at++]!, m6 = words[at++]!, m7 = words[at++]!, m8 = words[at++]!, m9 = words[at++]!, m10 = words[at++]!, m11 = words[at++]!, m12 = words[at++]!, m13 = words[at++]!, m14 = words[at++]!, m15 = words[at++]!;
  for (let round = 0; ; round++) {
    // The columns, then the diagonals.
    s12 = ((s12 ^= s0 = (s0 + s4 + m0) | 0) >>> 16) | (s12 << 16);
    s4 = ((s4 ^= s8 = (s8 + s12) | 0) >>> 12) | (s4 << 20);
    s12 = ((s12 ^= s0 = (s0 + s4 + m1) | 0) >>> 8) | (s12 << 24);
    s4 = ((s4 ^= s8 = (s8 + s12) | 0) >>> 7) | (s4 << 25);
    s13 = ((s13 ^= s1 = (s1 + s5 + m2) | 0) >>> 16) | (s13 << 16);
    s5 = ((s5 ^= s9 = (s9 + s13) | 0) >>> 12) | (s5 << 20);
    s13 = ((s13 ^= s1 = (s1 + s5 + m3) | 0) >>> 8) | (s13 << 24);
    s5 = ((s5 ^= s9 = (s9 + s13) | 0) >>> 7) | (s5 << 25);
    s14 = ((s14 ^= s2 = (s2 + s6 + m4) | 0) >>> 16) | (s14 << 16);
    s6 = ((s6 ^= s10 = (s10 + s14) | 0) >>> 12) | (s6 << 20);
    s14 = ((s14 ^= s2 = (s2 + s6 + m5) | 0) >>> 8) | (s14 << 24);
    s6 = ((s6 ^= s10 = (s10 + s14) | 0) >>> 7) | (s6 << 25);
    s15 = ((s15 ^= s3 = (s3 + s7 + m6) | 0) >>> 16) | (s15 << 16);
    s7 = ((s7 ^= s11 = (s11 + s15) | 0) >>> 12) | (s7 << 20);
    s15 = ((s15 ^= s3 = (s3 + s7 + m7) | 0) >>> 8) | (s15 << 24);
    s7 = ((s7 ^= s11 = (s11 + s15) | 0) >>> 7) | (s7 << 25);
    s15 = ((s15 ^= s0 = (s0 + s5 + m8) | 0) >>> 16) | (s15 << 16);
    s5 = ((s5 ^= s10 = (s10 + s15) | 0) >>> 12) | (s5 << 20);
    s15 = ((s15 ^= s0 = (s0 + s5 + m9) | 0) >>> 8) | (s15 << 24);
    s5 = ((s5 ^= s10 = (s10 + s15) | 0) >>> 7) | (s5 << 25);
    s12 = ((s12 ^= s1 = (s1 + s6 + m10) | 0) >>> 16) | (s12 << 16);
    s6 = ((s6 ^= s11 = (s11 + s12) | 0) >>> 12) | (s6 << 20);
    s12 = ((s12 ^= s1 = (s1 + s6 + m11) | 0) >>> 8) | (s12 << 24);
    s6 = ((s6 ^= s11 = (s11 + s12) | 0) >>> 7) | (s6 << 25);
    s13 = ((s13 ^= s2 = (s2 + s7 + m12) | 0) >>> 16) | (s13 << 16);
    s7 = ((s7 ^= s8 = (s8 + s13) | 0) >>> 12) | (s7 << 20);
    s13 = ((s13 ^= s2 = (s2 + s7 + m13) | 0) >>> 8) | (s13 << 24);
    s7 = ((s7 ^= s8 = (s8 + s13) | 0) >>> 7) | (s7 << 25);
    s14 = ((s14 ^= s3 = (s3 + s4 + m14) | 0) >>> 16) | (s14 << 16);
    s4 = ((s4 ^= s9 = (s9 + s14) | 0) >>> 12) | (s4 << 20);
    s14 = ((s14 ^= s3 = (s3 + s4 + m15) | 0) >>> 8) | (s14 << 24);
    s4 = ((s4 ^= s9 = (s9 + s14) | 0) >>> 7) | (s4 << 25);
    if (round === 6) break;
    let t: number;
    t = m0; m0 = m2; m2 = m3; m3 = m10; m10 = m12; m12 = m9; m9 = m11; m11 = m5; m5 = t;
    t = m1; m1 = m6; m6 = m4; m4 = m7; m7 = m13; m13 = m14; m14 = m15; m15 = m8; m8 = t;
  }
  value[0] = s0 ^ s8;
  value[1] = s1 ^ s9;
  value[2] = s2 ^ s10;
  value[3] = s3 ^ s11;
  value[4] = s4 ^ s12;
  value[5] = s5 ^ s13;
  value[6] = s6 ^ s14;
  value[7] = s7 ^ s15;
}
