/** Base class of all errors of this client. An `AbortSignal` throws its own reason instead. */
export class TaskPipelineError extends Error {
  override readonly name: string = "TaskPipelineError";
}

/** The API refused the request. The subclasses say why. */
export class ApiError extends TaskPipelineError {
  override readonly name: string = "ApiError";

  /** The HTTP status. For a WebSocket it is derived from the close code. */
  readonly status: number;

  /** What is wrong, by the name of the field; empty if the API named no field. */
  readonly errors: Readonly<Record<string, readonly string[]>>;

  constructor(status: number, message: string, errors: Readonly<Record<string, readonly string[]>> = {}) {
    super(message);
    this.status = status;
    this.errors = errors;
  }
}

/** The request is invalid (400, 413, 415; close code 4505); `errors` names the fields. */
export class InvalidRequestError extends ApiError {
  override readonly name = "InvalidRequestError";
}

/** There is no such task or dead letter (404; close code 4504). */
export class NotFoundError extends ApiError {
  override readonly name = "NotFoundError";
}

/** The task's state does not allow it, such as stopping a task that has ended (409). */
export class ConflictError extends ApiError {
  override readonly name = "ConflictError";
}

/** The API cannot do it now (429, 502, 503, 504). Try again after `retryAfter` seconds, if it said so. */
export class UnavailableError extends ApiError {
  override readonly name = "UnavailableError";
  readonly retryAfter: number | undefined;

  constructor(status: number, message: string, retryAfter?: number) {
    super(status, message);
    this.retryAfter = retryAfter;
  }
}

/** The API cannot be reached, or the answer is not from an API. `cause` has details. */
export class ConnectionError extends TaskPipelineError {
  override readonly name = "ConnectionError";
}

/** The received lines are not what the agent printed: lines are missing, duplicated or changed. */
export class OutputMismatchError extends TaskPipelineError {
  override readonly name = "OutputMismatchError";
}

/** The error for an HTTP status. `problem` is the body of the answer, if it was a problem document. */
export function errorFor(status: number, problem: unknown, fallback: string, retryAfter: string | null = null): ApiError {
  const { detail, errors } = (typeof problem === "object" && problem !== null ? problem : {}) as {
    detail?: string;
    errors?: Record<string, string[]>;
  };
  const message = detail ?? fallback;
  switch (status) {
    case 400: case 413: case 415: return new InvalidRequestError(status, message, errors);
    case 404: return new NotFoundError(status, message);
    case 409: return new ConflictError(status, message);
    case 429: case 502: case 503: case 504: {
      const seconds = Number(retryAfter ?? NaN);
      return new UnavailableError(status, message, Number.isFinite(seconds) ? seconds : undefined);
    }
    default: return new ApiError(status, message, errors);
  }
}
