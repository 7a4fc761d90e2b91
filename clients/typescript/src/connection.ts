import { TaskPipelineError } from "./errors.js";

/**
 * One connection of a watch: yields its messages, each the JSON of an event. It throws a {@link ConnectionLost} if the watcher should reconnect, and
 * another error if reconnecting is of no use. It completes if the API has nothing more to send.
 */
export type Connect = (cursor: string | undefined, signal: AbortSignal | undefined) => AsyncIterable<string>;

/** The connection is lost; the watcher reconnects and continues where it was. */
export class ConnectionLost extends TaskPipelineError {
  override readonly name = "ConnectionLost";

  /** How many seconds to wait before the next try, as the API asked. */
  readonly retryAfter: number;

  constructor(reason: string, { cause, retryAfter = 0 }: { cause?: unknown; retryAfter?: number | undefined } = {}) {
    super(reason, { cause });
    this.retryAfter = retryAfter;
  }
}
