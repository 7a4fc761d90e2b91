namespace TaskPipeline.AgentCli.Summarising;

/// <summary>The model wrote no summary; the report is written without it.</summary>
public sealed class ModelException : Exception
{
    public ModelException()
    {
    }

    public ModelException(string message)
        : base(message)
    {
    }

    public ModelException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
