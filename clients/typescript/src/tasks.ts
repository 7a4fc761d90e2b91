import type { EndReason, Line, TaskStatus } from "./events.js";

/** The order in which waiting tasks of a lane start. */
export type Priority = "high" | "normal" | "low";

/** Failure class: `permanent` is the task's own fault, `transient` the fault of its environment, `terminated` means that something ended it. */
export type FailureClass = "permanent" | "transient" | "terminated";

/** At most `limit` tasks (1 to 1000, by default 1) of a project with the same `key` run at the same time. */
export interface Concurrency {
  readonly key: string;
  readonly limit?: number;
}

/** A task to submit. */
export interface TaskSubmission {
  readonly type: string;

  /** One of the type's commands, if it has any. */
  readonly command?: string;
  readonly project?: string;
  readonly params?: Readonly<Record<string, unknown>>;

  /** Your own id. Submitting the same content with the same id again creates no second task. */
  readonly task_id?: string;

  /** A duration such as `90s` or `10m`, or seconds. Not together with `run_at`. */
  readonly delay?: string | number;

  /** When the task enters its queue (RFC 3339). */
  readonly run_at?: string;

  /** The task expires if no attempt has started by then: a time, or a duration. */
  readonly start_by?: string;

  /** The task is ended at this time: a time, or a duration. */
  readonly deadline?: string;
  readonly priority?: Priority;
  readonly concurrency?: Concurrency;
  readonly labels?: Readonly<Record<string, string>>;
}

/** Links to follow a task. They contain the position of its record, so every replica knows the task at once. */
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

  /** Of a replay or redrive: the type has changed since the repeated task. Then both hashes are present. */
  readonly type_changed?: true;
  readonly type_hash?: string;
  readonly previous_type_hash?: string;
}

/** A task: its id, or an answer about it. The answer's links let every replica know the task at once. */
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

  /** Number of output lines of the latest attempt. */
  readonly lines: number;
  readonly progress?: { readonly percent?: number; readonly step?: string };
  readonly submitted_at: string;
  readonly started_at?: string;
  readonly ended_at?: string;

  /** When the agent of its latest attempt ended; only until the outcome is decided. */
  readonly exited_at?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly priority: Priority;
  readonly concurrency?: Concurrency;
  readonly due_at?: string;
  readonly start_by?: string;
  readonly deadline?: string;

  /** The ended task that this one repeats. */
  readonly replay_of?: string;

  /** The dead letter that this task replaces. */
  readonly redrive_of?: string;
}

/** One run of the agent. Without an end it still runs. */
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

  /** SHA-256 of its lines, as in `end`. */
  readonly hash?: string;

  /** Hash of the type that it ran with; it differs from the task's if the type had changed. */
  readonly type_hash?: string;

  /** The signal that was needed to end all of the agent; missing if it ended by itself. */
  readonly ended_by?: "TERM" | "KILL";

  /** Milliseconds from the order to end it until no process was left. */
  readonly stop_ms?: number;
  readonly processes_ended?: number;

  /** Names of the programs that did not end within their grace period and needed SIGKILL. */
  readonly processes_killed?: readonly string[];
}

/** All details of a task, without its output. */
export interface TaskDetail extends TaskSummary {
  readonly params: Readonly<Record<string, unknown>>;
  readonly signal?: string;
  readonly error?: string;

  /** The result that its agent reported; while it runs, the latest one. */
  readonly result?: unknown;

  /** When its agent reported the result. */
  readonly result_at?: string;

  /** The result was left out because it was too large. */
  readonly result_left_out?: true;

  /** Fields of its end that were left out because the record was too large for Kafka, such as `artifacts`, `errors` or `params`. */
  readonly left_out?: readonly string[];
  readonly dead_lettered: boolean;

  /** How many tasks of its lane are before it, if it is queued. */
  readonly queue_position?: number;

  /**
   * The task that has the concurrency key that this one waits for, or gets it next. With `until`: that task's attempt was lost and may still run
   * until then.
   */
  readonly waits_for?: { readonly key: string; readonly task_id: string; readonly until?: string };
  readonly attempts: readonly Attempt[];
  readonly replays?: readonly string[];
  readonly stop?: { readonly force: boolean; readonly requested_by?: string; readonly reason?: string; readonly at?: string; readonly too_late?: true };

  /** Hash of its type in the catalogue when it was submitted. */
  readonly type_hash?: string;

  /** The type hash of the task that it repeats; only if the type had changed in between. */
  readonly previous_type_hash?: string;

  /** The cursor after all of this. Pass it as `after` with `wait` to wait for news, or as `from` to watch. */
  readonly cursor: string;
  readonly lane: number;
  readonly offset?: number;
  readonly links: TaskLinks;
}

/** A page of tasks, newest first. */
export interface TaskPage {
  readonly tasks: readonly TaskSummary[];

  /** The `after` of the next page, if there is one. */
  readonly next?: string;
}

/** A line of output with its attempt. */
export interface OutputLine extends Line {
  readonly attempt: number;
}

/** A gap in the place of missing lines of output. */
export interface OutputGap {
  readonly attempt: number;
  readonly from: number;
  readonly to: number;
  readonly count: number;

  /** `not_kept`: Kafka no longer has them; `output_limit`: the worker left them out. */
  readonly reason: "not_kept" | "output_limit" | (string & {});
}

/** The answer to a stop, a pause and a resume: the status that follows. */
export interface StatusAnswer {
  readonly task_id: string;
  readonly status: TaskStatus;
}

/** The answer to an input. The `input` event with this id says when the agent has it. */
export interface InputAnswer {
  readonly task_id: string;
  readonly attempt: number;
  readonly input_id: string;
}

/** The answer to an emit. Watchers receive the `event` with this id. */
export interface EmitAnswer {
  readonly task_id: string;
  readonly event_id: string;
}

/** A file that the API keeps for tasks. */
export interface StoredFile {
  /** Value for a param of type `file`. */
  readonly file: string;
  readonly name: string;
  readonly size: number;
  readonly sha256: string;

  /** Until when tasks can use it. */
  readonly kept_until: string;
}

/** A file that a task's agent has left. */
export interface Artifact {
  readonly attempt: number;
  readonly name: string;

  /** Size in bytes. */
  readonly size: number;

  /** Where to download it; missing if the API does not have it, or no longer has it. */
  readonly url?: string;
}

/** A dead letter as lists show it. */
export interface DeadLetter {
  /** The task's id, or `raw-{lane}-{offset}` for a record that could not be read. */
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

  /** Ids of the tasks that replaced it, in order. */
  readonly redrives?: readonly string[];
}

/** A page of dead letters, newest first. */
export interface DeadLetterPage {
  readonly dead_letters: readonly DeadLetter[];

  /** The `after` of the next page, if there is one. */
  readonly next?: string;
}
