import type { Connect } from "./connection.js";
import type { StreamName, TaskStatus, ViewEvent, WatchEvent } from "./events.js";
import { eventStreamMessages, hasManyStreams } from "./eventstream.js";
import { Http } from "./http.js";
import type {
  Artifact, DeadLetterPage, EmitAnswer, FailureClass, InputAnswer, OutputGap, OutputLine, StatusAnswer, StoredFile, SubmittedTask, TaskDetail, TaskPage, TaskRef, TaskSubmission,
} from "./tasks.js";
import { viewOver, watchOver, type ConnectionOptions, type Transport, type ViewOptions, type WatchOptions } from "./watch.js";
import { webSocketMessages, type WebSocketConstructor } from "./websocket.js";

/** Options of a client. */
export interface ClientOptions {
  /** Headers for every request, for example for a proxy in front of the API. A browser's WebSocket cannot send any. */
  headers?: Readonly<Record<string, string>> | undefined;

  /** Timeout of a call in milliseconds; 100,000 by default. Watches have their own limits. */
  timeout?: number | undefined;

  /** Replaces the global `fetch`. */
  fetch?: typeof fetch | undefined;

  /** Replaces the global `WebSocket`. Node 20 has none; pass the one of the package `ws` there. */
  WebSocket?: WebSocketConstructor | undefined;
}

/** Options of every call. */
export interface CallOptions {
  signal?: AbortSignal | undefined;
}

/** Options of calls that write. */
export interface WriteOptions extends CallOptions {
  /** 1 to 200 printable ASCII characters. With it you can repeat the call, and it takes effect once. */
  idempotencyKey?: string | undefined;
}

/** Which tasks to list. */
export interface ListOptions extends CallOptions {
  status?: TaskStatus | undefined;
  project?: string | undefined;
  type?: string | undefined;
  class?: FailureClass | undefined;

  /** 1 to 500; 50 by default. */
  limit?: number | undefined;

  /** The `next` of the previous page. */
  after?: string | undefined;
}

/** Which dead letters to list. */
export interface DeadLetterOptions extends Omit<ListOptions, "status"> {
  reason?: string | undefined;

  /** Resolved dead letters: `true` (only these), `false` (none, the default), or `"all"`. */
  resolved?: boolean | "all" | undefined;
}

/** How to read a task. */
export interface GetOptions extends CallOptions {
  /** A cursor. With `wait`, the answer comes as soon as something new follows this cursor. */
  after?: string | undefined;

  /** How long to wait for news: a duration such as `30s`, `60s` at most. */
  wait?: string | undefined;
}

/** Which output to read. */
export interface OutputOptions extends CallOptions {
  /** Only lines of this attempt. */
  attempt?: number | undefined;

  /** Only lines of these streams. */
  stream?: StreamName | readonly StreamName[] | undefined;

  /** Only lines that contain this text, in upper or lower case. */
  q?: string | undefined;

  /** Begin at this line of `attempt`, or of the latest attempt. */
  seq?: number | undefined;

  /** Begin after this cursor. */
  after?: string | undefined;

  /** Continue with new lines until the task has ended. */
  follow?: boolean | undefined;
}

/** How to stop a task. */
export interface StopOptions extends WriteOptions {
  /** A reason for people who read the task's history. */
  reason?: string | undefined;

  /** End the agent at once, without its grace period. */
  force?: boolean | undefined;
}

/** How to run a task again. */
export interface RepeatOptions extends WriteOptions {
  /** Replaces all params of the task. */
  params?: Readonly<Record<string, unknown>> | undefined;
}

/** Input for an agent's stdin. */
export interface AgentInput {
  /** A line of at most 3 KiB; the line feed is added. */
  readonly text?: string;

  /** Close stdin after the text. */
  readonly close?: boolean;
}

interface OutputPage {
  readonly lines: readonly OutputLine[];
  readonly gaps?: readonly Omit<OutputGap, "count">[];
  readonly next: string;
  readonly more: boolean;
  readonly ended: boolean;
}

const Transports: readonly Transport[] = ["auto", "websocket", "sse"];
const LongestWait = "30s";
const DefaultTimeoutMs = 100_000;
const DefaultBuffered = 4 << 20;

/**
 * Client of one TaskPipeline API. Requests and answers are the JSON of docs/protocol.md, with the same names. If the API refuses a request, calls throw
 * an {@link ApiError}; if it cannot be reached, a {@link ConnectionError}. The client does not repeat plain calls; watches reconnect by themselves.
 */
export class TaskPipelineClient {
  readonly #http: Http;
  readonly #WebSocket: WebSocketConstructor | undefined;

  /** @param url Address of the API, such as `http://127.0.0.1:8080`. */
  constructor(url: string | URL, options: ClientOptions = {}) {
    this.#http = new Http(url, options.fetch ?? globalThis.fetch, options.headers ?? {}, options.timeout ?? DefaultTimeoutMs);
    this.#WebSocket = options.WebSocket ?? globalThis.WebSocket;
  }

  /** Submits a task. You can pass the answer to every other method in place of the id; its links let every replica know the task at once. */
  submit(task: TaskSubmission, options: WriteOptions = {}): Promise<SubmittedTask> {
    return this.#http.post(this.#http.url("tasks"), { ...options, body: task });
  }

  /** All details of a task, without its output. */
  get(task: TaskRef, { after, wait, signal }: GetOptions = {}): Promise<TaskDetail> {
    return this.#http.get(this.#http.taskUrl(task, "", { after, wait }), signal);
  }

  /** A page of tasks, newest first. */
  list({ signal, status, project, type, class: failureClass, limit, after }: ListOptions = {}): Promise<TaskPage> {
    return this.#http.get(this.#http.url("tasks", { status, project, type, class: failureClass, limit, after }), signal);
  }

  /** The lines of a task. Further pages are fetched during the iteration. A gap takes the place of missing lines: it has `from` and `to`, a line has `text`. */
  async *output(task: TaskRef, { attempt, stream, q, seq, after, follow, signal }: OutputOptions = {}): AsyncGenerator<OutputLine | OutputGap, void, undefined> {
    const wait = follow ? LongestWait : undefined;
    for (let place: { seq?: number | undefined; after?: string | undefined } = { seq, after }; ;) {
      const page = await this.#http.get<OutputPage>(this.#http.taskUrl(task, "/output", { attempt, stream, q, wait, ...place }), signal);
      yield* inOrder(page);
      place = { after: page.next };
      if (!page.more && (!follow || page.ended))
        return;
    }
  }

  /** Requests a stop; the `end` event says when the task has ended. */
  stop(task: TaskRef, { reason, force, ...options }: StopOptions = {}): Promise<StatusAnswer> {
    return this.#http.post(this.#http.taskUrl(task, "/stop"), { ...options, body: { reason, force } });
  }

  /** Pauses a running task; the `state` event `paused` says when it is paused. */
  pause(task: TaskRef, options: WriteOptions = {}): Promise<StatusAnswer> {
    return this.#http.post(this.#http.taskUrl(task, "/pause"), options);
  }

  /** Resumes a paused task; the `state` event `running` says when it runs again. */
  resume(task: TaskRef, options: WriteOptions = {}): Promise<StatusAnswer> {
    return this.#http.post(this.#http.taskUrl(task, "/resume"), options);
  }

  /** Writes to the agent's stdin, for types with `input: true`. The `input` event with the answer's id says when the agent has it. */
  input(task: TaskRef, input: AgentInput, options: WriteOptions = {}): Promise<InputAnswer> {
    return this.#http.post(this.#http.taskUrl(task, "/input"), { ...options, body: input });
  }

  /** Runs a task now that is held, or that waits for its time. */
  release(task: TaskRef, options: CallOptions = {}): Promise<StatusAnswer> {
    return this.#http.post(this.#http.taskUrl(task, "/release"), options);
  }

  /** Adds your own event to a task's timeline; every watcher receives it once. */
  emit(task: TaskRef, name: string, data?: unknown, options: WriteOptions = {}): Promise<EmitAnswer> {
    return this.#http.post(this.#http.taskUrl(task, "/emit"), { ...options, body: { name, data } });
  }

  /** Stores a file for tasks. The answer's `file` is the value for a param of type `file`. */
  storeFile(content: Blob | ArrayBuffer | Uint8Array<ArrayBuffer>, name: string, { signal }: CallOptions = {}): Promise<StoredFile> {
    return this.#http.upload(this.#http.url("files", { name }), content, signal);
  }

  /** The artifacts of a task: files that its agents have left. */
  async artifacts(task: TaskRef, { signal }: CallOptions = {}): Promise<readonly Artifact[]> {
    return (await this.#http.get<{ artifacts: readonly Artifact[] }>(this.#http.taskUrl(task, "/artifacts"), signal)).artifacts;
  }

  /** The content of an artifact, as a `Response` whose body is still to be read. */
  openArtifact(task: TaskRef, { attempt, name }: Pick<Artifact, "attempt" | "name">, { signal }: CallOptions = {}): Promise<Response> {
    const path = name.split("/").map(encodeURIComponent).join("/");
    return this.#http.open(this.#http.taskUrl(task, `/artifacts/${attempt}/${path}`), signal ? { signal } : {});
  }

  /** Runs an ended task again, as a new task. */
  replay(task: TaskRef, { params, ...options }: RepeatOptions = {}): Promise<SubmittedTask> {
    return this.#http.post(this.#http.taskUrl(task, "/replay"), { ...options, body: params && { params } });
  }

  /** A page of dead letters, newest first. */
  deadLetters({ signal, project, type, class: failureClass, reason, resolved, limit, after }: DeadLetterOptions = {}): Promise<DeadLetterPage> {
    return this.#http.get(this.#http.url("dead-letters", { project, type, class: failureClass, reason, resolved: resolved?.toString(), limit, after }), signal);
  }

  /** Replaces a dead task with a new task. */
  redrive(id: string, { params, ...options }: RepeatOptions = {}): Promise<SubmittedTask> {
    return this.#http.post(this.#http.url(`dead-letters/${encodeURIComponent(id)}/redrive`), { ...options, body: params && { params } });
  }

  /**
   * Returns the events of a task, each once: first those since the beginning, or since `from`, then new ones, until its `end`. If the connection is lost,
   * the watch reconnects with the last cursor. Missing, duplicated or changed lines throw an {@link OutputMismatchError}, unless `verify` is false. The
   * watch completes without an `end` only if `from` is a cursor after it. To leave, break out of the loop or abort the `signal`.
   */
  watch(task: TaskRef, options: WatchOptions = {}): AsyncGenerator<WatchEvent, void, undefined> {
    const { since, tail, stream } = options;   // the API ignores since and tail if there is a from
    return watchOver(this.#connect((way, from) => this.#http.taskUrl(task, `/${way}`, { from, since, tail, stream }), options.from, options), options);
  }

  /**
   * Returns the status changes of all tasks, or of one project, from now on: a `hello`, then each `state`, `progress` and `end`. A `missed` says that some
   * events were not sent. If you call `list` after the `hello` and after each `missed`, you miss nothing. It ends only with its consumer or the `signal`.
   */
  watchAll(options: ViewOptions = {}): AsyncGenerator<ViewEvent, void, undefined> {
    const { project } = options;
    return viewOver(this.#connect((way, from) => this.#http.url(way, { project, from }), options.from, options), options);
  }

  #connect(urlOf: (way: "watch" | "events", from: string | undefined) => URL, from: string | undefined, { transport = "auto", maxBuffered = DefaultBuffered }: ConnectionOptions): Connect {
    if (!Transports.includes(transport))
      throw new TypeError(`transport must be ${Transports.join(", ")}, not '${transport}'`);
    const Socket = this.#WebSocket;
    const overSocket: Connect | undefined = Socket && ((place, signal) => {
      const url = urlOf("watch", place ?? from);
      url.protocol = url.protocol.replace("http", "ws");
      return webSocketMessages(Socket, url, maxBuffered, signal);
    });
    if (overSocket && transport !== "sse")
      return overSocket;
    if (transport === "websocket")
      throw new TypeError("there is no WebSocket: give the client one, such as that of the package ws, or use the transport sse or auto");
    const url = urlOf("events", from);
    return (place, signal) => overSocket && hasManyStreams(url) ? overSocket(place, signal) : eventStreamMessages(this.#http, url, place, signal);
  }
}

function* inOrder({ lines, gaps = [] }: OutputPage): Generator<OutputLine | OutputGap> {
  const waiting = [...gaps];
  const isBefore = (gap: { attempt: number; from: number }, line: OutputLine) =>
    gap.attempt < line.attempt || (gap.attempt === line.attempt && gap.from < line.seq);
  for (const line of lines) {
    for (let gap = waiting[0]; gap && isBefore(gap, line); gap = waiting[0])
      yield waiting.shift() as OutputGap;
    yield line;
  }
  yield* waiting as OutputGap[];
}
