import { ConnectionLost, type Connect } from "./connection.js";
import { ConnectionError } from "./errors.js";
import { isKnown, isOfView, type StreamName, type ViewEvent, type WatchEvent } from "./events.js";
import { OutputVerifier } from "./verifier.js";

/** How events are transported: see {@link ConnectionOptions.transport}. */
export type Transport = "auto" | "websocket" | "sse";

/** A connection was lost, and the watch is about to reconnect. */
export interface Reconnection {
  /** Number of tries since the last news. */
  readonly tries: number;

  /** Milliseconds until the next try. */
  readonly delay: number;
  readonly reason: string;
}

/** Options of the connection. */
export interface ConnectionOptions {
  /** `auto` (the default) uses a WebSocket if there is one, otherwise server-sent events. */
  transport?: Transport | undefined;

  /** Ends the watch, which then throws the signal's reason. */
  signal?: AbortSignal | undefined;

  /** Maximum number of tries in a row without news; then the watch throws a {@link ConnectionError}. 30 by default, which takes about five minutes. */
  maxTries?: number | undefined;

  /**
   * How many characters can wait for a slow consumer of a WebSocket; 4 Mi by default. Above it the socket is closed, and opened again when the consumer has
   * taken them. Server-sent events need no such limit.
   */
  maxBuffered?: number | undefined;

  /** Called for each lost connection. */
  onReconnect?: ((reconnection: Reconnection) => void) | undefined;
}

/** What to watch of a task, and how. */
export interface WatchOptions extends ConnectionOptions {
  /** Where to begin: `start` (the default), `now`, or a cursor, after which the watch continues. */
  from?: "start" | "now" | (string & {}) | undefined;

  /** Begin with the first line since a time (RFC 3339), or within the last `10m`, `2h` …; not together with `from`. */
  since?: string | undefined;

  /** Begin with this number of last lines; not together with `from`. */
  tail?: number | undefined;

  /** Only lines of these streams. */
  stream?: StreamName | readonly StreamName[] | undefined;

  /** Whether to prove that the output is complete; true by default. */
  verify?: boolean | undefined;
}

/** Which tasks to watch, and how. */
export interface ViewOptions extends ConnectionOptions {
  /** Only tasks of this project; all if missing. */
  project?: string | undefined;

  /** The `place` of the last event: continue after it. By default the watch begins now. */
  from?: string | undefined;
}

const FirstDelayMs = 250;
const LongestDelayMs = 10_000;
const DefaultTries = 30;

/** The events of a task, each once, over as many connections as needed. */
export async function* watchOver(connect: Connect, options: WatchOptions): AsyncGenerator<WatchEvent, void, undefined> {
  const verifier = options.verify === false ? undefined : new OutputVerifier({
    fromStart: options.tail === undefined && options.since === undefined && (options.from ?? "start") === "start",
    filtered: (options.stream?.length ?? 0) > 0,
  });
  const greetings = new Set<string>();   // every connection sends them; only the first of each is returned
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

/** The events of many tasks, over as many connections as needed. */
export async function* viewOver(connect: Connect, options: ViewOptions): AsyncGenerator<ViewEvent, void, undefined> {
  for await (const event of reconnecting(connect, options, event => event.place))
    if (isOfView(event))
      yield event;
}

/**
 * The events of one connection after the other. It completes only if the API has ended a watch that never had news: the caller's place is after the
 * task's end.
 */
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
      tries = 0;   // it worked, although it sent no news
    if (++tries > maxTries)
      throw new ConnectionError(`the watch was lost, and ${maxTries} tries to reconnect have failed: ${reason}`);
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
    // Reported below.
  }
  throw new ConnectionLost("the API sent a message that is not an event");
}

/** Prevents a thousand watchers of one replica from reconnecting at the same moment. */
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
