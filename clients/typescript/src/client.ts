import type { Connect } from "./connection.js";
import type { StreamName, TaskStatus, ViewEvent, WatchEvent } from "./events.js";
import { eventStreamMessages, hasManyStreams } from "./eventstream.js";
import { Http } from "./http.js";
import type {
  Artifact, DeadLetterPage, EmitAnswer, FailureClass, InputAnswer, OutputGap, OutputLine, StatusAnswer, StoredFile, SubmittedTask, TaskDetail, TaskPage, TaskRef, TaskSubmission,
} from "./tasks.js";
import { viewOver, watchOver, type ConnectionOptions, type Transport, type ViewOptions, type WatchOptions } from "./watch.js";
import { webSocketMessages, type WebSocketConstructor } from "./websocket.js";

/** What a client is made with. */
export interface ClientOptions {
  /** Headers for every request, as a proxy in front of the API may want them. A browser's WebSocket cannot send any. */
  headers?: Readonly<Record<string, string>> | undefined;

  /** How many milliseconds a call may take, 100,000 by default; a watch has limits of its own. */
  timeout?: number | undefined;

  /** In place of the global `fetch`. */
  fetch?: typeof fetch | undefined;

  /** In place of the global `WebSocket`, or where there is none: Node 20 has none, and takes that of the package `ws`. */
  WebSocket?: WebSocketConstructor | undefined;
}

/** What every call takes. */
export interface CallOptions {
  signal?: AbortSignal | undefined;
}

/** What calls take that change something. */
export interface WriteOptions extends CallOptions {
  /** 1 to 200 printable ASCII characters: with it the call can be sent again and happens once. */
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

  /** The `next` of the page before. */
  after?: string | undefined;
}

/** Which dead letters to list. */
export interface DeadLetterOptions extends Omit<ListOptions, "status"> {
  reason?: string | undefined;

  /** Those that are resolved: `true`, `false` (the default), or `"all"`. */
  resolved?: boolean | "all" | undefined;
}

/** How to ask for a task. */
export interface GetOptions extends CallOptions {
  /** A cursor: with `wait`, the answer comes as soon as something is new behind it. */
  after?: string | undefined;

  /** How long to wait for news: a duration such as `30s`, at most `60s`. */
  wait?: string | undefined;
}

/** Which output to read. */
export interface OutputOptions extends CallOptions {
  /** Only of this attempt. */
  attempt?: number | undefined;

  /** Only of these streams. */
  stream?: StreamName | readonly StreamName[] | undefined;

  /** Only lines that have this text, in upper or lower case. */
  q?: string | undefined;

  /** Begin at this line, of `attempt` or of the latest one. */
  seq?: number | undefined;

  /** Begin behind this cursor. */
  after?: string | undefined;

  /** Go on with what is printed from now on, until the task has ended. */
  follow?: boolean | undefined;
}

/** How to stop a task. */
export interface StopOptions extends WriteOptions {
  /** For the people who read the task's history. */
  reason?: string | undefined;

  /** End the agent at once, without its grace. */
  force?: boolean | undefined;
}

/** How to run a task again. */
export interface RepeatOptions extends WriteOptions {
  /** In place of the task's own, all of them. */
  params?: Readonly<Record<string, unknown>> | undefined;
}

/** What to write to an agent's stdin. */
export interface AgentInput {
  /** A line, at most 3 KiB; its line feed is added. */
  readonly text?: string;

  /** Close the stdin, behind the text. */
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
 * A client of one TaskPipeline API. What it sends and answers is the JSON of docs/protocol.md, with its names. Refusals are thrown as {@link ApiError}s by name,
 * an API that cannot be reached as a {@link ConnectionError}. Plain calls are not repeated; watches come back by themselves.
 */
export class TaskPipelineClient {
  readonly #http: Http;
  readonly #WebSocket: WebSocketConstructor | undefined;

  /** @param url Where the API is, such as `http://127.0.0.1:8080`. */
  constructor(url: string | URL, options: ClientOptions = {}) {
    this.#http = new Http(url, options.fetch ?? globalThis.fetch, options.headers ?? {}, options.timeout ?? DefaultTimeoutMs);
    this.#WebSocket = options.WebSocket ?? globalThis.WebSocket;
  }

  /** Submits a task; the answer says where to follow it, and can be given to every other method in place of the id. */
  submit(task: TaskSubmission, options: WriteOptions = {}): Promise<SubmittedTask> {
    return this.#http.post(this.#http.url("tasks"), { ...options, body: task });
  }

  /** Everything that is known of a task, but its output. */
  get(task: TaskRef, { after, wait, signal }: GetOptions = {}): Promise<TaskDetail> {
    return this.#http.get(this.#http.taskUrl(task, "", { after, wait }), signal);
  }

  /** A page of tasks, newest first. */
  list({ signal, status, project, type, class: failureClass, limit, after }: ListOptions = {}): Promise<TaskPage> {
    return this.#http.get(this.#http.url("tasks", { status, project, type, class: failureClass, limit, after }), signal);
  }

  /** The lines of a task, page by page as they are asked for. Lines that are missing are told in their place: a gap has `from` and `to`, a line has a `text`. */
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

  /** Asks for a stop; the `end` event says when it has happened. */
  stop(task: TaskRef, { reason, force, ...options }: StopOptions = {}): Promise<StatusAnswer> {
    return this.#http.post(this.#http.taskUrl(task, "/stop"), { ...options, body: { reason, force } });
  }

  /** Lets a running task stand still; the `state` event `paused` says when it does. */
  pause(task: TaskRef, options: WriteOptions = {}): Promise<StatusAnswer> {
    return this.#http.post(this.#http.taskUrl(task, "/pause"), options);
  }

  /** Lets a paused task go on; the `state` event `running` says when it does. */
  resume(task: TaskRef, options: WriteOptions = {}): Promise<StatusAnswer> {
    return this.#http.post(this.#http.taskUrl(task, "/resume"), options);
  }

  /** Writes to the agent's stdin, for types with `input: true`; the `input` event with the answer's id says when the agent has it. */
  input(task: TaskRef, input: AgentInput, options: WriteOptions = {}): Promise<InputAnswer> {
    return this.#http.post(this.#http.taskUrl(task, "/input"), { ...options, body: input });
  }

  /** Lets a task go on at once that is held, or waits for its time. */
  release(task: TaskRef, options: CallOptions = {}): Promise<StatusAnswer> {
    return this.#http.post(this.#http.taskUrl(task, "/release"), options);
  }

  /** Puts an event of your own into a task's timeline, where every watcher is told of it once. */
  emit(task: TaskRef, name: string, data?: unknown, options: WriteOptions = {}): Promise<EmitAnswer> {
    return this.#http.post(this.#http.taskUrl(task, "/emit"), { ...options, body: { name, data } });
  }

  /** Stores a file for tasks: the answer's `file` goes into a param of type `file`. */
  storeFile(content: Blob | ArrayBuffer | Uint8Array<ArrayBuffer>, name: string, { signal }: CallOptions = {}): Promise<StoredFile> {
    return this.#http.upload(this.#http.url("files", { name }), content, signal);
  }

  /** The files that a task's agents have left behind. */
  async artifacts(task: TaskRef, { signal }: CallOptions = {}): Promise<readonly Artifact[]> {
    return (await this.#http.get<{ artifacts: readonly Artifact[] }>(this.#http.taskUrl(task, "/artifacts"), signal)).artifacts;
  }

  /** The content of one of them, as the `Response` that brings it. */
  openArtifact(task: TaskRef, { attempt, name }: Pick<Artifact, "attempt" | "name">, { signal }: CallOptions = {}): Promise<Response> {
    const path = name.split("/").map(encodeURIComponent).join("/");
    return this.#http.open(this.#http.taskUrl(task, `/artifacts/${attempt}/${path}`), signal ? { signal } : {});
  }

  /** Runs an ended task again, as a new one. */
  replay(task: TaskRef, { params, ...options }: RepeatOptions = {}): Promise<SubmittedTask> {
    return this.#http.post(this.#http.taskUrl(task, "/replay"), { ...options, body: params && { params } });
  }

  /** A page of dead letters, newest first. */
  deadLetters({ signal, project, type, class: failureClass, reason, resolved, limit, after }: DeadLetterOptions = {}): Promise<DeadLetterPage> {
    return this.#http.get(this.#http.url("dead-letters", { project, type, class: failureClass, reason, resolved: resolved?.toString(), limit, after }), signal);
  }

  /** Lets a new task go on in the place of a dead one. */
  redrive(id: string, { params, ...options }: RepeatOptions = {}): Promise<SubmittedTask> {
    return this.#http.post(this.#http.url(`dead-letters/${encodeURIComponent(id)}/redrive`), { ...options, body: params && { params } });
  }

  /**
   * The events of a task, each once: what has happened since the beginning, or since `from`, then what happens, until its `end`. A lost connection is taken up again
   * from the last cursor. Unless `verify` is false, lines that are missing, doubled or changed throw an {@link OutputMismatchError}. It completes without an `end`
   * only where `from` is a cursor behind it. To leave, break out of the loop, or abort the `signal`.
   */
  watch(task: TaskRef, options: WatchOptions = {}): AsyncGenerator<WatchEvent, void, undefined> {
    const { since, tail, stream } = options;   // where there is a place to begin at, the API passes over since and tail
    return watchOver(this.#connect((way, from) => this.#http.taskUrl(task, `/${way}`, { from, since, tail, stream }), options.from, options), options);
  }

  /**
   * How tasks stand, from now on: a `hello`, then each `state`, `progress` and `end` of all tasks or of a project, and `missed` where some could not be told. Whoever
   * lists the tasks behind the first and the last of these misses nothing. It ends only with its consumer, or by the `signal`.
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
      throw new TypeError("there is no WebSocket here: give the client one, such as that of the package ws, or take the transport sse or auto");
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
