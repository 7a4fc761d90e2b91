import type { Verified } from "./verifier.js";

/** Stream of a line; `system` lines are printed by the worker. */
export type StreamName = "stdout" | "stderr" | "system";

/** Status of a task; the last five are final. */
export type TaskStatus =
  | "scheduled" | "queued" | "starting" | "running" | "paused" | "stopping" | "retry_waiting" | "held"
  | "succeeded" | "failed" | "timed_out" | "stopped" | "expired";

/** Why an attempt or a task ended. A later API can have more reasons. */
export type EndReason =
  | "exit_code" | "user_request" | "time_limit" | "output_limit" | "worker_shutdown" | "worker_lost" | "spawn_failed" | "start_by" | "deadline"
  | "memory_limit" | "silence_limit" | "process_limit" | "disk_limit" | "result" | "result_error" | "type_changed"
  | (string & {});

/** Fields of every event. */
export interface EventBase {
  readonly v: number;
  readonly task_id: string;

  /** The cursor after this event, opaque. Pass it as `from` to continue here, over any transport and at any replica. */
  readonly cursor: string;
}

/** One line of output. */
export interface Line {
  /** Line number, from 1 in each attempt. */
  readonly seq: number;
  readonly stream: StreamName;
  readonly text: string;
  readonly at: string;

  /** Number of this part of a line that is too long for one record, from 1. */
  readonly part?: number;

  /** Of a part: whether it is the last part. */
  readonly last?: boolean;

  /** How many bytes of the line were left out. */
  readonly cut?: number;
}

/** The first event: where the watch begins, and which cursors there are. */
export interface HelloEvent extends EventBase {
  readonly type: "hello";
  readonly status: TaskStatus;
  readonly earliest: string;
  readonly latest: string;

  /** After this many seconds of silence the API sends a sign of life. */
  readonly heartbeat: number;
}

/** A new status, or another attempt. */
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

/** Missing lines, by their exact range. */
export interface GapEvent extends EventBase {
  readonly type: "gap";
  readonly attempt: number;
  readonly from: number;
  readonly to: number;
  readonly count: number;

  /** `not_kept`: Kafka no longer has them; `output_limit`: the worker left them out. */
  readonly reason: "not_kept" | "output_limit" | (string & {});
}

/** Further fields that an agent can add. */
type More = Readonly<Record<string, unknown>>;

/** Something that the agent reported about its work. */
export interface AgentWatchEvent<Type extends string, Data> extends EventBase {
  readonly type: Type;
  readonly attempt: number;
  readonly data: Data;
  readonly at: string;
}

/** The agent's progress. */
export type ProgressEvent = AgentWatchEvent<"progress", { readonly percent?: number; readonly step?: string } & More>;

/** Beginning of a group of events, which lasts until the next group. */
export type GroupEvent = AgentWatchEvent<"group", { readonly name: string } & More>;

/** A warning for people. */
export type WarningEvent = AgentWatchEvent<"warning", { readonly message: string } & More>;

/** The agent has made a file. */
export type ArtifactEvent = AgentWatchEvent<"artifact", { readonly name: string } & More>;

/** A message of the agent to people. */
export type MessageEvent = AgentWatchEvent<"message", { readonly text: string } & More>;

/** The agent uses a tool. */
export type ToolEvent = AgentWatchEvent<"tool", { readonly name: string; readonly input?: unknown } & More>;

/** The agent's result; `end` repeats it. */
export type ResultEvent = AgentWatchEvent<"result", unknown>;

/** Input that was written to the agent's stdin, or that could not be written (`refused`). */
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

/** An event that a user emitted, at its place among the lines. */
export interface EmittedEvent extends EventBase {
  readonly type: "event";
  readonly event_id: string;
  readonly name: string;
  readonly data?: unknown;
  readonly at: string;
}

/** How an attempt ended. A later event says what follows: an end or another attempt. */
export interface ExitedEvent extends EventBase {
  readonly type: "exited";
  readonly attempt: number;
  readonly reason: EndReason;
  readonly exit_code?: number;
  readonly signal?: string;
  readonly at: string;
}

/** The events of the past have been sent; what follows is new. */
export interface CaughtUpEvent extends EventBase {
  readonly type: "caught_up";
}

/** The task has ended. Comes exactly once, as the last event. */
export interface EndEvent extends EventBase {
  readonly type: "end";
  readonly status: TaskStatus;
  readonly reason?: EndReason;
  readonly exit_code?: number;
  readonly signal?: string;
  readonly error?: string;

  /** The attempt that decided the end; 0 if none was started. */
  readonly attempt: number;

  /** How many lines that attempt printed, including those in gaps. */
  readonly lines: number;

  /** SHA-256 of the lines that were published. */
  readonly hash?: string;
  readonly result?: unknown;

  /** When a stop was requested, if one was. */
  readonly stop_requested_at?: string;

  /** The task had ended by itself before that stop arrived. */
  readonly stop_too_late?: true;
  readonly project?: string;
  readonly at: string;
}

/** An `end` as `watch` returns it. */
export interface VerifiedEndEvent extends EndEvent {
  /** Whether the received lines are what the agent printed. */
  readonly verified: Verified;
}

/** All events that the API sends about a task. */
export type WireEvent =
  | HelloEvent | StateEvent | LinesEvent | GapEvent
  | ProgressEvent | GroupEvent | WarningEvent | ArtifactEvent | MessageEvent | ToolEvent | ResultEvent
  | InputEvent | EmittedEvent | ExitedEvent | CaughtUpEvent | EndEvent;

/** All events that a watcher of a task receives, distinguished by `type`. */
export type WatchEvent = Exclude<WireEvent, EndEvent> | VerifiedEndEvent;

const Types: ReadonlySet<string> = new Set<WireEvent["type"]>([
  "hello", "state", "lines", "gap", "progress", "group", "warning", "artifact", "message", "tool", "result", "input", "event", "exited", "caught_up", "end",
]);

/** Whether this client knows the event's type. As the protocol asks, it skips events of a later API. */
export function isKnown(event: { readonly type: string }): event is WireEvent {
  return Types.has(event.type);
}

/** The first event of a watch of many tasks. What follows is new; `list` returns the current statuses. */
export interface ViewHelloEvent {
  readonly type: "hello";
  readonly v: number;
  readonly place: string;

  /** The project that is watched; all if missing. */
  readonly project?: string;
  readonly heartbeat: number;
}

/** Some events were not sent: the watcher was disconnected for too long, or has reconnected to another replica. `list` returns the current statuses. */
export interface MissedEvent {
  readonly type: "missed";
  readonly v: number;
  readonly place: string;

  /** How many, over all projects; missing if unknown. */
  readonly count?: number;
}

/** All events that a watcher of many tasks receives. Pass an event's `place` as `from` to continue after it. */
export type ViewEvent = ViewHelloEvent | MissedEvent | (StateEvent | ProgressEvent | EndEvent) & { readonly place: string };

const ViewTypes: ReadonlySet<string> = new Set<ViewEvent["type"]>(["hello", "missed", "state", "progress", "end"]);

/** Whether this client knows the event's type in a watch of many tasks. */
export function isOfView(event: { readonly type: string }): event is ViewEvent {
  return ViewTypes.has(event.type);
}
