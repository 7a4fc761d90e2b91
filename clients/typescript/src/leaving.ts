/** Aborts what was begun: when the caller's signal does, when something takes too long, and when it is released. */
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

  /** The outcome of something that ends with {@link signal}, which is aborted for this reason where it takes longer. */
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
