import type { EndReason, Line, TaskStatus } from "./events.js";

/** In which order the tasks of a lane are taken. */
export type Priority = "high" | "normal" | "low";

/** Whose failure it was: the task's own, the world's around it, or none, as something ended it. */
export type FailureClass = "permanent" | "transient" | "terminated";

/** Of the tasks of a project with the same `key`, `limit` (1 to 1000, by default 1) run at a time. */
export interface Concurrency {
  readonly key: string;
  readonly limit?: number;
}

/** What to run. */
export interface TaskSubmission {
  readonly type: string;

  /** One of the type's commands, where it has some. */
  readonly command?: string;
  readonly project?: string;
  readonly params?: Readonly<Record<string, unknown>>;

  /** An id of your own; the same with the same content again is the same task. */
  readonly task_id?: string;

  /** A duration such as `90s` or `10m`, or seconds. Not together with `run_at`. */
  readonly delay?: string | number;

  /** A time, RFC 3339. */
  readonly run_at?: string;

  /** Expire it unless an attempt has started by then: a time, or a duration. */
  readonly start_by?: string;

  /** End it by then: a time, or a duration. */
  readonly deadline?: string;
  readonly priority?: Priority;
  readonly concurrency?: Concurrency;
  readonly labels?: Readonly<Record<string, string>>;
}

/** Where a task can be followed. They name the place of its record, so that every replica knows the task at once. */
export interface TaskLinks {
  readonly self: string;
  readonly watch: string;
  readonly events: string;
  readonly output: string;
  readonly stop: string;
}

/** The answer to a submission, a replay and a redrive. */
export interface SubmittedTask {
  readonly task_id: string;
  readonly status: TaskStatus;
  readonly links: TaskLinks;
  readonly due_at?: string;

  /** Of a replay and a redrive: the type is not what it was for the task that is repeated. The hashes are there then. */
  readonly type_changed?: true;
  readonly type_hash?: string;
  readonly previous_type_hash?: string;
}

/** A task: its id, or what an answer said of it, whose links let every replica know it at once. */
export type TaskRef = string | { readonly task_id: string; readonly links?: Pick<TaskLinks, "self"> };

/** A task as lists show it. */
export interface TaskSummary {
  readonly task_id: string;
  readonly project: string;
  readonly type: string;
  readonly command?: string;
  readonly status: TaskStatus;
  readonly reason?: EndReason;
  readonly exit_code?: number;
  readonly class?: FailureClass;

  /** The latest attempt; 0 before the first one. */
  readonly attempt: number;
  readonly worker?: string;

  /** Lines of output of the latest attempt. */
  readonly lines: number;
  readonly progress?: { readonly percent?: number; readonly step?: string };
  readonly submitted_at: string;
  readonly started_at?: string;
  readonly ended_at?: string;

  /** When the agent of its latest attempt ended, while it is not decided yet what follows from that. */
  readonly exited_at?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly priority: Priority;
  readonly concurrency?: Concurrency;
  readonly due_at?: string;
  readonly start_by?: string;
  readonly deadline?: string;

  /** The ended task that this one repeats. */
  readonly replay_of?: string;

  /** The dead letter in whose place this task goes on. */
  readonly redrive_of?: string;
}

/** One run of the agent; without an end it still goes on. */
export interface Attempt {
  readonly attempt: number;
  readonly worker: string;
  readonly started_at: string;
  readonly ended_at?: string;
  readonly reason?: EndReason;
  readonly exit_code?: number;
  readonly signal?: string;
  readonly error?: string;
  readonly class?: FailureClass;
  readonly lines?: number;

  /** SHA-256 of its lines, as `end` has it. */
  readonly hash?: string;

  /** Of the catalogue entry that it ran by; not the task's where the type had changed by then. */
  readonly type_hash?: string;

  /** The signal that it took to end all of the agent; missing where it ended by itself. */
  readonly ended_by?: "TERM" | "KILL";

  /** Milliseconds from the order to end it until nothing of it was left. */
  readonly stop_ms?: number;
  readonly processes_ended?: number;

  /** Names of the programs that had not ended within their grace and needed SIGKILL. */
  readonly processes_killed?: readonly string[];
}

/** Everything that is known of a task, but its output. */
export interface TaskDetail extends TaskSummary {
  readonly params: Readonly<Record<string, unknown>>;
  readonly signal?: string;
  readonly error?: string;

  /** What its agent gave as the result; while it runs, the latest. */
  readonly result?: unknown;

  /** When its agent gave that. */
  readonly result_at?: string;

  /** That was too large, and is left out. */
  readonly result_left_out?: true;

  /** What of its end is not kept because Kafka would not have taken it, such as `artifacts`, `errors` or `params`. */
  readonly left_out?: readonly string[];
  readonly dead_lettered: boolean;

  /** How many tasks of its lane come before it, where it is queued. */
  readonly queue_position?: number;

  /** The task that has the concurrency key that this one waits for, or is next; with `until`, one whose attempt was lost and may live until then. */
  readonly waits_for?: { readonly key: string; readonly task_id: string; readonly until?: string };
  readonly attempts: readonly Attempt[];
  readonly replays?: readonly string[];
  readonly stop?: { readonly force: boolean; readonly requested_by?: string; readonly reason?: string; readonly at?: string; readonly too_late?: true };

  /** Of its type in the catalogue, as that was when it was submitted. */
  readonly type_hash?: string;

  /** That of the task which it repeats, where the type had changed between the two. */
  readonly previous_type_hash?: string;

  /** The place behind all that is known now: give it as `after` with `wait` to hear of what is new, or as `from` to watch. */
  readonly cursor: string;
  readonly lane: number;
  readonly offset?: number;
  readonly links: TaskLinks;
}

/** A page of tasks, newest first. */
export interface TaskPage {
  readonly tasks: readonly TaskSummary[];

  /** The `after` of the next page, where there is one. */
  readonly next?: string;
}

/** A line of output, with its attempt. */
export interface OutputLine extends Line {
  readonly attempt: number;
}

/** Lines of output that are missing, in their place. */
export interface OutputGap {
  readonly attempt: number;
  readonly from: number;
  readonly to: number;
  readonly count: number;

  /** `not_kept`: Kafka has them no more; `output_limit`: the worker left them out. */
  readonly reason: "not_kept" | "output_limit" | (string & {});
}

/** The answer to a stop, a pause and a resume: the status that it is on its way to. */
export interface StatusAnswer {
  readonly task_id: string;
  readonly status: TaskStatus;
}

/** The answer to an input: the event `input` with this id says when the agent has it. */
export interface InputAnswer {
  readonly task_id: string;
  readonly attempt: number;
  readonly input_id: string;
}

/** The answer to an emit: watchers are told of the `event` with this id. */
export interface EmitAnswer {
  readonly task_id: string;
  readonly event_id: string;
}

/** A file that the API keeps for tasks. */
export interface StoredFile {
  /** For a param of type `file`. */
  readonly file: string;
  readonly name: string;
  readonly size: number;
  readonly sha256: string;

  /** Until then a task can be given it. */
  readonly kept_until: string;
}

/** A file that a task's agent has left behind. */
export interface Artifact {
  readonly attempt: number;
  readonly name: string;

  /** In bytes. */
  readonly size: number;

  /** Where it can be downloaded; missing where the API does not have it, or no more. */
  readonly url?: string;
}

/** A dead letter as lists show it. */
export interface DeadLetter {
  /** The task's id, or `raw-{lane}-{offset}` of a record that nobody could read. */
  readonly id: string;
  readonly project?: string;
  readonly type?: string;
  readonly command?: string;
  readonly error: string;
  readonly reason?: EndReason;
  readonly class?: FailureClass;
  readonly exit_code?: number;
  readonly at: string;
  readonly lane: number;
  readonly offset: number;
  readonly resolution?: "redriven" | "discarded";

  /** The tasks that went on in its place, in order. */
  readonly redrives?: readonly string[];
}

/** A page of dead letters, newest first. */
export interface DeadLetterPage {
  readonly dead_letters: readonly DeadLetter[];

  /** The `after` of the next page, where there is one. */
  readonly next?: string;
}
