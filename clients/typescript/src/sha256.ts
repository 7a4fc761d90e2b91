// The first 32 bits of the fractional parts of the cube roots of the first 64 primes (FIPS 180-4, 4.2.2).
const RoundConstants = Int32Array.of(
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
);

const BlockBytes = 64;
const LengthBytes = 8;

/** Incremental SHA-256. WebCrypto cannot do that: it needs all bytes at once. */
export class Sha256 {
  readonly #state = Int32Array.of(0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19);
  readonly #rest = new Uint8Array(BlockBytes);   // bytes that do not yet fill a block
  #length = 0;

  /** Adds bytes. */
  update(bytes: Uint8Array): this {
    const waiting = this.#length % BlockBytes;
    this.#length += bytes.length;
    let from = 0;
    if (waiting > 0) {
      from = Math.min(BlockBytes - waiting, bytes.length);
      this.#rest.set(bytes.subarray(0, from), waiting);
      if (waiting + from < BlockBytes)
        return this;
      compress(this.#state, this.#rest, 0);
    }
    for (; from + BlockBytes <= bytes.length; from += BlockBytes)
      compress(this.#state, bytes, from);
    this.#rest.set(bytes.subarray(from));
    return this;
  }

  /** The hash of all bytes so far, as 64 hexadecimal digits. You can add more bytes after it. */
  hex(): string {
    const waiting = this.#length % BlockBytes;
    const end = new Uint8Array(waiting + 1 + LengthBytes > BlockBytes ? 2 * BlockBytes : BlockBytes);
    end.set(this.#rest.subarray(0, waiting));
    end[waiting] = 0x80;
    new DataView(end.buffer).setBigUint64(end.length - LengthBytes, BigInt(this.#length) * 8n);
    const state = this.#state.slice();
    for (let block = 0; block < end.length; block += BlockBytes)
      compress(state, end, block);
    return Array.from(state, word => (word >>> 0).toString(16).padStart(8, "0")).join("");
  }
}

const schedule = new Int32Array(64);   // of the current block; JavaScript runs one call at a time

function compress(state: Int32Array, bytes: Uint8Array, at: number): void {
  const w = schedule;
  for (let i = 0; i < 16; i++, at += 4)
    w[i] = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
  for (let i = 16; i < 64; i++) {
    const early = w[i - 15]!;
    const late = w[i - 2]!;
    w[i] = (w[i - 16]! + w[i - 7]!
      + (rotate(early, 7) ^ rotate(early, 18) ^ (early >>> 3))
      + (rotate(late, 17) ^ rotate(late, 19) ^ (late >>> 10))) | 0;
  }
  let a = state[0]!, b = state[1]!, c = state[2]!, d = state[3]!, e = state[4]!, f = state[5]!, g = state[6]!, h = state[7]!;
  for (let i = 0; i < 64; i++) {
    const one = (h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) + RoundConstants[i]! + w[i]!) | 0;
    const two = ((rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + one) | 0;
    d = c;
    c = b;
    b = a;
    a = (one + two) | 0;
  }
  state[0]! += a;
  state[1]! += b;
  state[2]! += c;
  state[3]! += d;
  state[4]! += e;
  state[5]! += f;
  state[6]! += g;
  state[7]! += h;
}

function rotate(word: number, by: number): number {
  return (word >>> by) | (word << (32 - by));
}
