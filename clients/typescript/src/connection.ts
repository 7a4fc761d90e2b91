import { TaskPipelineError } from "./errors.js";

/**
 * One connection of a watch: the messages that it brings, each the JSON of an event. It throws {@link ConnectionLost} where the watcher should come back, another
 * error where that is of no use, and ends by itself where the API has nothing more to say.
 */
export type Connect = (cursor: string | undefined, signal: AbortSignal | undefined) => AsyncIterable<string>;

/** The connection is gone; the watcher comes back to where it was. */
export class ConnectionLost extends TaskPipelineError {
  override readonly name = "ConnectionLost";

  /** How many seconds the API would like not to be asked. */
  readonly retryAfter: number;

  constructor(reason: string, { cause, retryAfter = 0 }: { cause?: unknown; retryAfter?: number | undefined } = {}) {
    super(reason, { cause });
    this.retryAfter = retryAfter;
  }
}
