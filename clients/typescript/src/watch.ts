import { ConnectionLost, type Connect } from "./connection.js";
import { ConnectionError } from "./errors.js";
import { isKnown, isOfView, type StreamName, type ViewEvent, type WatchEvent } from "./events.js";
import { OutputVerifier } from "./verifier.js";

/** How events come: see {@link WatchOptions.transport}. */
export type Transport = "auto" | "websocket" | "sse";

/** A connection was lost, and the watch is about to come back. */
export interface Reconnection {
  /** How often it has tried without news since. */
  readonly tries: number;

  /** In how many milliseconds it tries again. */
  readonly delay: number;
  readonly reason: string;
}

/** How to be connected. */
export interface ConnectionOptions {
  /** `auto` (the default) takes a WebSocket where there is one, and server-sent events else. */
  transport?: Transport | undefined;

  /** Ends the watch; its reason is thrown. */
  signal?: AbortSignal | undefined;

  /** After how many tries in a row without news the watch gives up with a {@link ConnectionError}; 30 by default, which takes about five minutes. */
  maxTries?: number | undefined;

  /** How many characters may wait for a slow consumer before a WebSocket is closed, and opened again when they were taken; 4 Mi by default. Server-sent events need no such limit. */
  maxBuffered?: number | undefined;

  /** Told of each loss of the connection. */
  onReconnect?: ((reconnection: Reconnection) => void) | undefined;
}

/** What to watch of a task, and how. */
export interface WatchOptions extends ConnectionOptions {
  /** Where to begin: `start` (the default), `now`, or the cursor behind which to go on. */
  from?: "start" | "now" | (string & {}) | undefined;

  /** Begin with the first line from a time on (RFC 3339), or of the last `10m`, `2h` …; not together with `from`. */
  since?: string | undefined;

  /** Begin with the last lines, so many; not together with `from`. */
  tail?: number | undefined;

  /** Only lines of these streams. */
  stream?: StreamName | readonly StreamName[] | undefined;

  /** Whether to prove that the output is whole, which is the default. */
  verify?: boolean | undefined;
}

/** Which tasks to watch, and how. */
export interface ViewOptions extends ConnectionOptions {
  /** Only its tasks; all where it is missing. */
  project?: string | undefined;

  /** The `place` of the last event that was seen, to go on behind it; else it begins now. */
  from?: string | undefined;
}

const FirstDelayMs = 250;
const LongestDelayMs = 10_000;
const DefaultTries = 30;

/** The events of a task over as many connections as it takes, each once. */
export async function* watchOver(connect: Connect, options: WatchOptions): AsyncGenerator<WatchEvent, void, undefined> {
  const verifier = options.verify === false ? undefined : new OutputVerifier({
    fromStart: options.tail === undefined && options.since === undefined && (options.from ?? "start") === "start",
    filtered: (options.stream?.length ?? 0) > 0,
  });
  const greetings = new Set<string>();   // every connection begins with them; of each the first counts
  for await (const event of reconnecting(connect, options, event => event.cursor)) {
    if (isGreeting(event)) {
      if (greetings.has(event.type))
        continue;
      greetings.add(event.type);
    }
    if (!isKnown(event))
      continue;
    if (event.type === "end") {
      yield { ...event, verified: verifier?.verify(event) ?? false };
      return;
    }
    if (event.type === "lines" || event.type === "gap")
      verifier?.add(event);
    yield event;
  }
}

/** How many tasks stand, over as many connections as it takes. */
export async function* viewOver(connect: Connect, options: ViewOptions): AsyncGenerator<ViewEvent, void, undefined> {
  for await (const event of reconnecting(connect, options, event => event.place))
    if (isOfView(event))
      yield event;
}

/** What comes over one connection after the other; it ends only where the API has closed one for good with nothing told, since what was asked for lies behind the end. */
async function* reconnecting(connect: Connect, options: ConnectionOptions, placeOf: (event: RawEvent) => string | undefined): AsyncGenerator<RawEvent, void, undefined> {
  const { signal, maxTries = DefaultTries, onReconnect } = options;
  let place: string | undefined;
  let hasNews = false;   // on any connection
  for (let tries = 0; ;) {
    let reason = "the API ended the watch before the task has ended";
    let retryAfter = 0;
    const since = performance.now();
    try {
      for await (const message of connect(place, signal)) {
        const event = parse(message);
        place = placeOf(event) ?? place;
        if (!isGreeting(event)) {
          hasNews = true;
          tries = 0;
        }
        yield event;
      }
      if (!hasNews)
        return;
    } catch (error) {
      if (!(error instanceof ConnectionLost))
        throw error;
      ({ message: reason, retryAfter } = error);
    }
    if (performance.now() - since > LongestDelayMs)
      tries = 0;   // it worked; there just was nothing to tell
    if (++tries > maxTries)
      throw new ConnectionError(`the watch was lost, and ${maxTries} tries to come back have failed: ${reason}`);
    const delay = Math.max(retryAfter * 1000, withJitter(Math.min(FirstDelayMs * 2 ** (tries - 1), LongestDelayMs)));
    onReconnect?.({ tries, delay, reason });
    await wait(delay, signal);
  }
}

interface RawEvent {
  readonly type: string;
  readonly cursor?: string;
  readonly place?: string;
}

function isGreeting(event: RawEvent): boolean {
  return event.type === "hello" || event.type === "caught_up";
}

function parse(message: string): RawEvent {
  try {
    const event: unknown = JSON.parse(message);
    if (typeof event === "object" && event !== null && "type" in event)
      return event as RawEvent;
  } catch {
    // Told below.
  }
  throw new ConnectionLost("what came is no event");
}

/** So that a thousand watchers of one replica do not come back at the same moment. */
function withJitter(delay: number): number {
  return Math.round(delay * (0.5 + Math.random() / 2));
}

function wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", abort, { once: true });
  });
}
