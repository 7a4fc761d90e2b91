/** Aborts an operation: with the caller's signal, after a timeout, or on release. */
export class Leaving {
  readonly #controller = new AbortController();
  readonly #caller: AbortSignal | undefined;
  readonly #abort = () => this.#controller.abort(this.#caller?.reason);

  constructor(caller: AbortSignal | undefined) {
    caller?.throwIfAborted();
    this.#caller = caller;
    caller?.addEventListener("abort", this.#abort);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Awaits an operation that uses {@link signal}. After this many milliseconds the signal is aborted with this reason. */
  async within<T>(milliseconds: number, outcome: Promise<T>, reason: () => Error): Promise<T> {
    const timer = setTimeout(() => this.#controller.abort(reason()), milliseconds);
    try {
      return await outcome;
    } finally {
      clearTimeout(timer);
    }
  }

  release(): void {
    this.#caller?.removeEventListener("abort", this.#abort);
    this.#controller.abort();
  }
}
