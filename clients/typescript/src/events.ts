import type { Verified } from "./verifier.js";

/** Where a line was printed; `system` lines are the worker's own. */
export type StreamName = "stdout" | "stderr" | "system";

/** Where a task is; the last five are ends. */
export type TaskStatus =
  | "scheduled" | "queued" | "starting" | "running" | "paused" | "stopping" | "retry_waiting" | "held"
  | "succeeded" | "failed" | "timed_out" | "stopped" | "expired";

/** Why an attempt or a task ended. A later API may know more. */
export type EndReason =
  | "exit_code" | "user_request" | "time_limit" | "output_limit" | "worker_shutdown" | "worker_lost" | "spawn_failed" | "start_by" | "deadline"
  | "memory_limit" | "silence_limit" | "process_limit" | "disk_limit" | "result" | "result_error" | "type_changed"
  | (string & {});

/** What every event has. */
export interface EventBase {
  readonly v: number;
  readonly task_id: string;

  /** The place behind this event, opaque: give it as `from` to go on from here, over any transport and at any replica. */
  readonly cursor: string;
}

/** One line of output. */
export interface Line {
  /** Counts from 1 in each attempt. */
  readonly seq: number;
  readonly stream: StreamName;
  readonly text: string;
  readonly at: string;

  /** Number of this part of a line that is too long for one record, from 1. */
  readonly part?: number;

  /** Of such a part, whether it is the last one. */
  readonly last?: boolean;

  /** How many bytes of the line are left out. */
  readonly cut?: number;
}

/** The first event: where the watch begins, and what is there. */
export interface HelloEvent extends EventBase {
  readonly type: "hello";
  readonly status: TaskStatus;
  readonly earliest: string;
  readonly latest: string;

  /** After so many seconds of silence the API shows that it is still there. */
  readonly heartbeat: number;
}

/** A transition, or a further attempt. */
export interface StateEvent extends EventBase {
  readonly type: "state";
  readonly status: TaskStatus;
  readonly attempt: number;
  readonly project?: string;
  readonly worker?: string;
  readonly requested_by?: string;
  readonly reason?: string;
  readonly due_at?: string;
  readonly at?: string;
}

/** Lines of one attempt. */
export interface LinesEvent extends EventBase {
  readonly type: "lines";
  readonly attempt: number;
  readonly lines: readonly Line[];
}

/** Lines that are missing, by their exact range. */
export interface GapEvent extends EventBase {
  readonly type: "gap";
  readonly attempt: number;
  readonly from: number;
  readonly to: number;
  readonly count: number;

  /** `not_kept`: Kafka has them no more; `output_limit`: the worker left them out. */
  readonly reason: "not_kept" | "output_limit" | (string & {});
}

/** What agents may say besides. */
type More = Readonly<Record<string, unknown>>;

/** What the agent said of its work. */
export interface AgentWatchEvent<Type extends string, Data> extends EventBase {
  readonly type: Type;
  readonly attempt: number;
  readonly data: Data;
  readonly at: string;
}

/** How far the agent is. */
export type ProgressEvent = AgentWatchEvent<"progress", { readonly percent?: number; readonly step?: string } & More>;

/** What follows belongs together, up to the next one. */
export type GroupEvent = AgentWatchEvent<"group", { readonly name: string } & More>;

/** Something to look at. */
export type WarningEvent = AgentWatchEvent<"warning", { readonly message: string } & More>;

/** A file was left behind. */
export type ArtifactEvent = AgentWatchEvent<"artifact", { readonly name: string } & More>;

/** What the agent says to people. */
export type MessageEvent = AgentWatchEvent<"message", { readonly text: string } & More>;

/** A tool that the agent uses. */
export type ToolEvent = AgentWatchEvent<"tool", { readonly name: string; readonly input?: unknown } & More>;

/** What the agent gives as its result; `end` has it again. */
export type ResultEvent = AgentWatchEvent<"result", unknown>;

/** What the agent's stdin was given or, `refused`, could not be. */
export interface InputEvent extends EventBase {
  readonly type: "input";
  readonly attempt: number;
  readonly input_id: string;
  readonly text?: string;
  readonly close?: true;
  readonly refused?: true;
  readonly requested_by?: string;
  readonly at: string;
}

/** What somebody emitted, at its place among the lines. */
export interface EmittedEvent extends EventBase {
  readonly type: "event";
  readonly event_id: string;
  readonly name: string;
  readonly data?: unknown;
  readonly at: string;
}

/** How an attempt ended; what follows from that, an end or another attempt, is told when it is decided. */
export interface ExitedEvent extends EventBase {
  readonly type: "exited";
  readonly attempt: number;
  readonly reason: EndReason;
  readonly exit_code?: number;
  readonly signal?: string;
  readonly at: string;
}

/** The history was told; what follows happens now. */
export interface CaughtUpEvent extends EventBase {
  readonly type: "caught_up";
}

/** How the task ended: the last event, exactly once. */
export interface EndEvent extends EventBase {
  readonly type: "end";
  readonly status: TaskStatus;
  readonly reason?: EndReason;
  readonly exit_code?: number;
  readonly signal?: string;
  readonly error?: string;

  /** The attempt that decided; 0 where none was started. */
  readonly attempt: number;

  /** How many lines that attempt has, with those of its gaps. */
  readonly lines: number;

  /** SHA-256 over those that were published. */
  readonly hash?: string;
  readonly result?: unknown;

  /** When somebody asked for its stop, where somebody did. */
  readonly stop_requested_at?: string;

  /** It had ended by itself before that stop came. */
  readonly stop_too_late?: true;
  readonly project?: string;
  readonly at: string;
}

/** An `end` as `watch` gives it. */
export interface VerifiedEndEvent extends EndEvent {
  /** Whether what was told is what the agent printed. */
  readonly verified: Verified;
}

/** Everything that the API tells of a task. */
export type WireEvent =
  | HelloEvent | StateEvent | LinesEvent | GapEvent
  | ProgressEvent | GroupEvent | WarningEvent | ArtifactEvent | MessageEvent | ToolEvent | ResultEvent
  | InputEvent | EmittedEvent | ExitedEvent | CaughtUpEvent | EndEvent;

/** What a watcher is given, told apart by `type`. */
export type WatchEvent = Exclude<WireEvent, EndEvent> | VerifiedEndEvent;

const Types: ReadonlySet<string> = new Set<WireEvent["type"]>([
  "hello", "state", "lines", "gap", "progress", "group", "warning", "artifact", "message", "tool", "result", "input", "event", "exited", "caught_up", "end",
]);

/** Whether this client knows such events; those of a later API are passed over, as the protocol asks. */
export function isKnown(event: { readonly type: string }): event is WireEvent {
  return Types.has(event.type);
}

/** First where many tasks are watched: what follows is new, and a list of the tasks says how things stand. */
export interface ViewHelloEvent {
  readonly type: "hello";
  readonly v: number;
  readonly place: string;

  /** Whose tasks are watched; all where it is missing. */
  readonly project?: string;
  readonly heartbeat: number;
}

/** Some events were not told, since the watcher was away for too long or has come to another replica: a list of the tasks says how things stand. */
export interface MissedEvent {
  readonly type: "missed";
  readonly v: number;
  readonly place: string;

  /** How many, of all projects; nobody knows where it is missing. */
  readonly count?: number;
}

/** What a watcher of many tasks is given. Its `place` is that behind it among all that a replica tells: give it as `from` to go on there. */
export type ViewEvent = ViewHelloEvent | MissedEvent | (StateEvent | ProgressEvent | EndEvent) & { readonly place: string };

const ViewTypes: ReadonlySet<string> = new Set<ViewEvent["type"]>(["hello", "missed", "state", "progress", "end"]);

/** Whether this client knows such events, where many tasks are watched. */
export function isOfView(event: { readonly type: string }): event is ViewEvent {
  return ViewTypes.has(event.type);
}
