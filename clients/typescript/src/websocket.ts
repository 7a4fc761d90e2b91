import { ConnectionError, InvalidRequestError, NotFoundError, TaskPipelineError } from "./errors.js";
import { ConnectionLost } from "./connection.js";

/** The part of a WebSocket that this client uses. Those of browsers, Node 22 and the package `ws` have it. */
export interface WebSocketLike {
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  close(): void;
}

/** Constructor of such WebSockets. */
export type WebSocketConstructor = new (url: string) => WebSocketLike;

const HandshakeMs = 15_000;

/**
 * The messages of one WebSocket. A WebSocket has no backpressure, so if more than `mostBuffered` characters wait for the consumer, the socket is closed.
 * The messages that have arrived are still delivered, and the watcher reconnects for the rest.
 */
export async function* webSocketMessages(
  Socket: WebSocketConstructor, url: URL, mostBuffered: number, signal: AbortSignal | undefined,
): AsyncGenerator<string, void> {
  signal?.throwIfAborted();
  const socket = new Socket(url.href);
  let waiting: string[] = [];
  let buffered = 0;
  let closed: { code?: number; reason: string } | undefined;
  let wake = () => {};
  const end = (reason: string, code?: number) => {
    closed ??= code === undefined ? { reason } : { code, reason };
    wake();
  };
  const giveUp = (reason: string) => {
    end(reason);
    socket.close();
  };
  const handshake = setTimeout(() => giveUp(`no handshake within ${HandshakeMs / 1000} s`), HandshakeMs);
  const abort = () => giveUp("aborted");
  signal?.addEventListener("abort", abort);
  socket.onopen = () => clearTimeout(handshake);
  socket.onerror = () => {};   // the close event follows and says more; without a handler the package ws throws
  socket.onclose = ({ code, reason }: { code: number; reason: string }) => end(reason, code);
  socket.onmessage = ({ data }: { data: string }) => {
    if (closed)
      return;
    waiting.push(data);
    buffered += data.length;
    wake();
    if (buffered > mostBuffered)
      giveUp("the consumer is slower than the task prints");
  };
  try {
    while (!closed || waiting.length > 0) {
      if (waiting.length === 0)
        await new Promise<void>(resolve => wake = resolve);
      const messages = waiting;
      waiting = [];
      for (const message of messages) {
        signal?.throwIfAborted();
        yield message;
        buffered -= message.length;
      }
    }
    signal?.throwIfAborted();
    judge(closed.code, closed.reason);
  } finally {
    clearTimeout(handshake);
    signal?.removeEventListener("abort", abort);
    end("left");
    socket.close();
  }
}

/** Reacts to a close code as docs/protocol.md says. The reason of 4008 and 1001 is the cursor, which the watcher has from the last event. */
function judge(code: number | undefined, reason: string): void {
  switch (code) {
    case 1000: return;
    case 4504: throw new NotFoundError(404, reason);
    case 4505: throw new InvalidRequestError(400, reason);
    case 1003: case 1007: case 1009: throw new ConnectionError(`the API refused a message (${code}): ${reason}`);
  }
  if (code !== undefined && code >= 4500 && code <= 4999)
    throw new TaskPipelineError(`the API ended the watch (${code}): ${reason}`);
  throw new ConnectionLost(code === undefined ? reason : `the socket was closed (${code}${reason && `: ${reason}`})`);
}
