namespace TaskPipeline.AgentCli.Workbooks;

/// <summary>A cell that shows an error instead of a value, such as #DIV/0!.</summary>
internal readonly record struct CellError(string Code);
