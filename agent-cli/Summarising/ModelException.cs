namespace TaskPipeline.AgentCli.Summarising;

/// <summary>The model gave no summary. The report does without.</summary>
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
