import { ConnectionError, errorFor } from "./errors.js";
import { Leaving } from "./leaving.js";
import type { TaskRef } from "./tasks.js";

/** Fields of a query string: undefined values are left out, and lists are joined by commas. */
export type Query = Readonly<Record<string, string | number | readonly string[] | undefined>>;

/** A request to the API. */
export interface Call {
  readonly query?: Query;
  readonly body?: object | undefined;
  readonly idempotencyKey?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

type Request = RequestInit & { headers?: Readonly<Record<string, string>> };

/** Sends requests to one API: JSON in both directions. If the API refuses a request, it throws the matching error. */
export class Http {
  readonly #base: URL;
  readonly #fetch: typeof fetch;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #timeout: number;

  constructor(url: string | URL, fetcher: typeof fetch, headers: Readonly<Record<string, string>>, timeout: number) {
    this.#base = new URL(url);
    if (this.#base.protocol !== "http:" && this.#base.protocol !== "https:")
      throw new TypeError(`url must begin with http:// or https://, not '${this.#base.protocol}//'; watches over WebSocket derive theirs from it`);
    if (!this.#base.pathname.endsWith("/"))
      this.#base.pathname += "/";
    this.#fetch = (input, init) => fetcher(input, init);   // a browser's fetch fails if it is called as a method of another object
    this.#headers = headers;
    this.#timeout = timeout;
  }

  /** The URL of a path of this API. */
  url(path: string, query: Query = {}): URL {
    const url = new URL(path, this.#base);
    for (const [name, value] of Object.entries(query))
      if (value !== undefined && value.toString() !== "")
        url.searchParams.set(name, value.toString());
    return url;
  }

  /** The URL of a path of a task. */
  taskUrl(task: TaskRef, part = "", query: Query = {}): URL {
    const id = typeof task === "string" ? task : task.task_id;
    const url = this.url(`tasks/${encodeURIComponent(id)}${part}`, query);
    const place = typeof task === "string" ? undefined : task.links?.self;
    if (place !== undefined)
      new URL(place, this.#base).searchParams.forEach((value, name) => url.searchParams.set(name, value));
    return url;
  }

  get<Answer>(url: URL, signal?: AbortSignal): Promise<Answer> {
    return this.#call(url, {}, signal);
  }

  post<Answer>(url: URL, { body, idempotencyKey, signal }: Call): Promise<Answer> {
    const headers: Record<string, string> = {};
    if (body !== undefined)
      headers["Content-Type"] = "application/json";
    if (idempotencyKey !== undefined)
      headers["Idempotency-Key"] = idempotencyKey;
    return this.#call(url, { method: "POST", headers, body: body === undefined ? null : JSON.stringify(body) }, signal);
  }

  /** Sends bytes as they are. */
  upload<Answer>(url: URL, body: Blob | ArrayBuffer | Uint8Array<ArrayBuffer>, signal?: AbortSignal): Promise<Answer> {
    return this.#call(url, { method: "POST", headers: { "Content-Type": "application/octet-stream" }, body }, signal);
  }

  /** The response to a request, whose body is still to be read. A refusal throws the matching error. */
  async open(url: URL, init: Request): Promise<Response> {
    let response: Response;
    try {
      response = await this.#fetch(url, { ...init, headers: { ...this.#headers, ...init.headers } });
    } catch (error) {
      init.signal?.throwIfAborted();
      throw new ConnectionError(`${url.origin} cannot be reached: ${reasonOf(error)}`, { cause: error });
    }
    if (response.ok)
      return response;
    const problem: unknown = await response.json().catch(() => undefined);   // a page of a proxy: only the status is known
    throw errorFor(response.status, problem, `${url.pathname} answered ${response.status} ${response.statusText}`, response.headers.get("Retry-After"));
  }

  async #call<Answer>(url: URL, request: Request, signal: AbortSignal | undefined): Promise<Answer> {
    const leaving = new Leaving(signal);
    try {
      const answer = this.#answerOf<Answer>(url, { ...request, signal: leaving.signal });
      return await leaving.within(this.#timeout, answer, () => new ConnectionError(`${url.origin} gave no answer within ${this.#timeout / 1000} s`));
    } finally {
      leaving.release();
    }
  }

  async #answerOf<Answer>(url: URL, request: Request): Promise<Answer> {
    const response = await this.open(url, request);
    try {
      return await response.json() as Answer;
    } catch (error) {
      request.signal?.throwIfAborted();
      throw error instanceof SyntaxError
        ? new ConnectionError(`${url.origin}${url.pathname} answered something other than JSON; is the url that of the API?`, { cause: error })
        : new ConnectionError(`the answer of ${url.origin} broke off: ${reasonOf(error)}`, { cause: error });
    }
  }
}

/** The reason of a failed connection; Node has it one level deeper. */
export function reasonOf(error: unknown): string {
  const { message, cause } = error as { message?: string; cause?: { message?: string; code?: string } };
  return cause?.message || cause?.code || message || String(error);
}
