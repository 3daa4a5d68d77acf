// biome-ignore-all lint/suspicious/noAssignInExpressions: a step of a round is one expression, and no smaller
// BLAKE3-256 in plain JavaScript, for engines without WebAssembly or a hash of their own.
//
// What makes it quick is only that the sixteen words of the state and those of the message are local
// variables: no array is touched and nothing allocated within a block. The seven rounds are a loop, which
// is a third of the unrolled size and sooner compiled.

const IV = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
const CHUNK_BYTES = 1024;
const BLOCK_BYTES = 64;
const CHUNK_START = 1;
const CHUNK_END = 2;
const PARENT = 4;
const ROOT = 8;
// More levels than an array's length could fill.
const MAX_DEPTH = 24;

/** The BLAKE3-256 hash of these bytes, in 64 lower-case hexadecimal digits. */
export function blake3(input: Uint8Array): string {
  const chunks = Math.ceil(input.length / CHUNK_BYTES) || 1;
  // Aligned and filled up with zeros. Every platform that runs JavaScript is little-endian.
  const bytes = new Uint8Array(chunks * CHUNK_BYTES);
  bytes.set(input);
  const words = new Int32Array(bytes.buffer);
  const value = new Int32Array(8);
  // The subtrees that wait for their right neighbour, each twice as large as the next.
  const stack = new Int32Array(8 * MAX_DEPTH);
  let depth = 0;
  for (let chunk = 0; chunk < chunks; chunk++) {
    const last = chunk === chunks - 1;
    let at = chunk * CHUNK_BYTES;
    let left = Math.min(CHUNK_BYTES, input.length - at);
    let flags = CHUNK_START;
    value.set(IV);
    do {
      if (left <= BLOCK_BYTES) flags |= CHUNK_END | (chunks > 1 ? 0 : ROOT);
      compress(value, words, at / 4, chunk, Math.min(BLOCK_BYTES, left), flags);
      flags = 0;
      at += BLOCK_BYTES;
      left -= BLOCK_BYTES;
    } while (left > 0);
    stack.set(value, 8 * depth++);
    for (let total = chunk + 1; depth > 1 && (last || !(total & 1)); total >>= 1) {
      const left = 8 * (--depth - 1);
      value.set(IV);
      compress(value, stack, left, 0, BLOCK_BYTES, PARENT | (last && depth < 2 ? ROOT : 0));
      stack.set(value, left);
    }
  }
  const hash = new Uint8Array(stack.buffer, 0, 32);
  return Array.from(hash, (byte) => (byte + 256).toString(16).slice(1)).join('');
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
