namespace TaskPipeline.AgentCli.Analysing;

internal enum CellKind
{
    Empty,
    Text,
    Number,
    Boolean,
    Date,
    Error,
}
