import { ConnectionLost } from "./connection.js";
import { ApiError, ConnectionError, UnavailableError } from "./errors.js";
import { reasonOf, type Http } from "./http.js";
import { Leaving } from "./leaving.js";

const NoContent = 204;
const AnswerMs = 15_000;    // fetch of Node 20 can wait for ever if a connection closes as soon as it is open
const SilenceMs = 45_000;   // three heartbeats

// Browsers open at most six connections to an origin over HTTP/1.1. Every further call waits until one of them is free, including a stop.
const MostStreams = 4;
const streams = new Map<string, number>();   // by origin

/** Whether further streams could leave no connection for other calls. */
export function hasManyStreams({ origin }: URL): boolean {
  return (streams.get(origin) ?? 0) >= MostStreams;
}

/**
 * The messages of one stream of server-sent events, read with fetch. It reads on only when the next message is requested. So a slow consumer slows down
 * the API through the connection, and only the current chunk is in memory.
 */
export async function* eventStreamMessages(http: Http, url: URL, cursor: string | undefined, signal: AbortSignal | undefined): AsyncGenerator<string, void> {
  const leaving = new Leaving(signal);
  streams.set(url.origin, (streams.get(url.origin) ?? 0) + 1);
  try {
    const headers: Record<string, string> = { Accept: "text/event-stream" };
    if (cursor !== undefined)
      headers["Last-Event-ID"] = cursor;
    const response = await leaving.within(AnswerMs, http.open(url, { headers, signal: leaving.signal }), () => new ConnectionLost(`no answer within ${AnswerMs / 1000} s`));
    if (response.status === NoContent || !response.body)
      return;   // the watcher has already seen the end
    const reader = response.body.getReader();
    const messages = new EventStreamReader();
    for (;;) {
      const { done, value } = await leaving.within(SilenceMs, reader.read(), () => new ConnectionLost(`nothing came for ${SilenceMs / 1000} s`));
      if (done)
        break;
      for (const message of messages.read(value)) {
        signal?.throwIfAborted();
        yield message;
      }
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw lossOf(leaving.signal.aborted ? leaving.signal.reason : error);
  } finally {
    streams.set(url.origin, (streams.get(url.origin) ?? 1) - 1);
    leaving.release();   // closes the connection if the consumer leaves early
  }
  throw new ConnectionLost("the stream ended before the task");
}

function lossOf(error: unknown): unknown {
  if (error instanceof UnavailableError || (error instanceof ApiError && error.status >= 500))
    return new ConnectionLost(error.message, { cause: error, retryAfter: error instanceof UnavailableError ? error.retryAfter : undefined });
  if (error instanceof ConnectionError)
    return new ConnectionLost(error.message, { cause: error.cause });
  return error instanceof TypeError || error instanceof DOMException ? new ConnectionLost(`the stream broke off: ${reasonOf(error)}`, { cause: error }) : error;
}

/** Parses a stream of server-sent events. It ignores the ids, because each event contains its cursor. */
class EventStreamReader {
  readonly #decoder = new TextDecoder();
  #text = "";          // after the last whole line
  #data: string[] = [];

  /** The messages that this chunk completes. */
  *read(chunk: Uint8Array): Generator<string, void> {
    const known = this.#text.length;
    this.#text += this.#decoder.decode(chunk, { stream: true });
    let from = 0;
    for (let end = this.#text.indexOf("\n", known); end >= 0; end = this.#text.indexOf("\n", from)) {
      const line = this.#text.slice(from, this.#text[end - 1] === "\r" ? end - 1 : end);
      from = end + 1;
      if (line.startsWith("data:"))
        this.#data.push(line.slice(line[5] === " " ? 6 : 5));
      else if (line === "" && this.#data.length > 0) {
        yield this.#data.join("\n");
        this.#data = [];
      }
    }
    this.#text = this.#text.slice(from);
  }
}
