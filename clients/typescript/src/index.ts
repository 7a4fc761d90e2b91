export {
  TaskPipelineClient,
  type AgentInput, type CallOptions, type ClientOptions, type DeadLetterOptions, type GetOptions, type ListOptions, type OutputOptions, type RepeatOptions,
  type StopOptions, type WriteOptions,
} from "./client.js";
export {
  ApiError, ConflictError, ConnectionError, InvalidRequestError, NotFoundError, OutputMismatchError, TaskPipelineError, UnavailableError,
} from "./errors.js";
export type * from "./events.js";
export type * from "./tasks.js";
export { OutputVerifier, type Verified, type VerifierOptions } from "./verifier.js";
export type { ConnectionOptions, Reconnection, Transport, ViewOptions, WatchOptions } from "./watch.js";
export type { WebSocketConstructor, WebSocketLike } from "./websocket.js";
