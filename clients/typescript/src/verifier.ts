import { OutputMismatchError } from "./errors.js";
import type { EndEvent, GapEvent, LinesEvent, StreamName } from "./events.js";
import { Sha256 } from "./sha256.js";

const StreamBytes: Readonly<Record<StreamName, number>> = { stdout: 1, stderr: 2, system: 3 };
const LineFeed = 10;
const BufferBytes = 16 * 1024;   // a call of the hash costs more than a short line
const MostBytesPerUnit = 3;      // of UTF-8, for one UTF-16 unit

/** Options of an {@link OutputVerifier}. */
export interface VerifierOptions {
  /** Whether it gets every event from the task's first line on, which is the default. Otherwise the first attempt that it sees can begin at any line. */
  fromStart?: boolean;

  /** Whether lines of some streams are left out on purpose. Then it only checks that no line comes twice. */
  filtered?: boolean;
}

/**
 * `true`: every line of the attempt that decided the end was received as its agent printed it. `"partial"`: only a part was received (a later beginning,
 * a filter, lines that Kafka no longer has), and nothing contradicts it. `false`: nothing is proved. Either the end has no hash because the attempt was
 * lost with its worker, or `verify` is off.
 */
export type Verified = boolean | "partial";

/**
 * Proves that a watcher has a task's output: the line numbers of each attempt have no holes and no duplicates, and the lines of the attempt that decided
 * the end have the hash in the `end` event. It keeps a hash and some numbers, no lines.
 */
export class OutputVerifier {
  readonly #fromStart: boolean;
  readonly #filtered: boolean;
  readonly #encoder = new TextEncoder();
  readonly #buffer = new Uint8Array(BufferBytes);
  #used = 0;
  #hash = new Sha256();
  #attempt = 0;        // the latest attempt seen; 0: none
  #last = 0;           // its last line
  #isWhole = true;     // every published line of it was seen

  constructor({ fromStart = true, filtered = false }: VerifierOptions = {}) {
    this.#fromStart = fromStart;
    this.#filtered = filtered;
  }

  /** Adds the next `lines` or `gap` event. Throws an {@link OutputMismatchError} if it does not continue the previous ones. */
  add(event: LinesEvent | GapEvent): void {
    if (event.type === "gap")
      this.#pass(event);
    else
      for (const line of event.lines) {
        this.#goOn(event.attempt, line.seq);
        this.#last = line.seq;
        this.#digest(line.stream, line.text);
      }
  }

  /** What is proved at the end. Throws an {@link OutputMismatchError} if lines are missing or are not what was printed. */
  verify(end: Pick<EndEvent, "attempt" | "lines" | "hash">): Verified {
    if (end.attempt < this.#attempt)
      throw new OutputMismatchError(`attempt ${end.attempt} decided, but there were lines of attempt ${this.#attempt}`);
    const isUnseen = end.attempt > this.#attempt;
    if (isUnseen && this.#mayBeginAnywhere && end.lines > 0)
      return "partial";
    if (isUnseen)
      this.#begin(end.attempt);
    if (end.hash === undefined)
      return !this.#filtered && end.lines === 0 && this.#last === 0;
    if (this.#last > end.lines || (this.#last < end.lines && !this.#filtered))
      throw new OutputMismatchError(`attempt ${end.attempt} has ${end.lines} lines, but the last one received is line ${this.#last}`);
    if (this.#filtered || !this.#isWhole)
      return "partial";
    this.#flush();
    const hash = `sha256:${this.#hash.hex()}`;
    if (hash !== end.hash)
      throw new OutputMismatchError(`the lines of attempt ${end.attempt} are not what its agent printed: their hash is ${hash}, not ${end.hash}`);
    return true;
  }

  get #mayBeginAnywhere(): boolean {
    return this.#attempt === 0 && !this.#fromStart;
  }

  #begin(attempt: number): void {
    this.#attempt = attempt;
    this.#last = 0;
    this.#isWhole = true;
    this.#hash = new Sha256();
    this.#used = 0;
  }

  #goOn(attempt: number, seq: number): void {
    if (attempt < this.#attempt)
      throw new OutputMismatchError(`line ${seq} of attempt ${attempt} came after lines of attempt ${this.#attempt}`);
    if (attempt > this.#attempt) {
      const mayBeginAnywhere = this.#mayBeginAnywhere;
      this.#begin(attempt);
      if (mayBeginAnywhere) {
        this.#last = seq - 1;
        this.#isWhole = seq === 1;
      }
    }
    if (seq <= this.#last)
      throw new OutputMismatchError(`line ${seq} of attempt ${attempt} came twice`);
    if (seq > this.#last + 1 && !this.#filtered)
      throw new OutputMismatchError(`lines ${this.#last + 1} to ${seq - 1} of attempt ${attempt} are missing`);
  }

  #pass(gap: GapEvent): void {
    // A gap for an earlier attempt, of which nothing is left, can come late. And a range that Kafka has deleted meanwhile can begin before lines that
    // were seen.
    if (gap.attempt < this.#attempt || (gap.attempt === this.#attempt && gap.to <= this.#last))
      return;
    if (gap.attempt > this.#attempt || gap.from > this.#last)
      this.#goOn(gap.attempt, gap.from);
    this.#last = gap.to;
    if (gap.reason !== "output_limit")
      this.#isWhole = false;   // these lines were published, so the hash has them
  }

  #digest(stream: StreamName, text: string): void {
    const most = text.length * MostBytesPerUnit + 2;
    if (this.#used + most > BufferBytes)
      this.#flush();
    if (most > BufferBytes) {
      this.#hash.update(Uint8Array.of(StreamBytes[stream])).update(this.#encoder.encode(text)).update(Uint8Array.of(LineFeed));
      return;
    }
    this.#buffer[this.#used++] = StreamBytes[stream];
    this.#used += this.#encoder.encodeInto(text, this.#buffer.subarray(this.#used)).written;
    this.#buffer[this.#used++] = LineFeed;
  }

  #flush(): void {
    this.#hash.update(this.#buffer.subarray(0, this.#used));
    this.#used = 0;
  }
}
