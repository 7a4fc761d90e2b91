// The TypeScript client in Node: the commands of client-driver.mjs, and `sha256 SEED`. It ends by itself once its input is closed, if nothing is left open.
// With `ws` behind the address it is given the WebSocket of that package; Node 20 has none.
import { createHash } from 'node:crypto';
import { createInterface } from 'node:readline';
import WebSocket from 'ws';
import * as client from '../../clients/typescript/dist/index.js';
import { Sha256 } from '../../clients/typescript/dist/sha256.js';
import { Driver } from './client-driver.mjs';

const say = message => console.log(JSON.stringify(message));
const [url, socket] = process.argv.slice(2);
const driver = new Driver(client, url, say, socket === 'ws' ? { WebSocket } : {});

/** Hashes bytes of random lengths in pieces of random lengths; answers how many were hashed as node:crypto does, and the first that was not. */
function compareHashes(seed) {
  let state = seed;
  const random = below => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
  const lengths = [...Array(260).keys(), ...Array.from({ length: 200 }, () => random(20_000)), 1_000_000];
  for (const length of lengths) {
    const bytes = Uint8Array.from({ length }, () => random(256));
    const hash = new Sha256();
    for (let from = 0; from < length;) {
      const to = Math.min(length, from + random(random(2) ? 200 : length + 1));
      hash.update(bytes.subarray(from, to));
      if (random(4) === 0)
        hash.hex();   // more may follow
      from = to;
    }
    if (hash.hex() !== createHash('sha256').update(bytes).digest('hex'))
      return { differs: length };
  }
  return { same: lengths.length };
}

say({ node: process.version });
for await (const line of createInterface({ input: process.stdin })) {
  if (line.startsWith('sha256 '))
    say(compareHashes(Number(line.slice('sha256 '.length))));
  else
    driver.obey(line);
}
