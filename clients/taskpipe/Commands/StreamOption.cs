using System.CommandLine;
using TaskPipeline.Client;

namespace TaskPipeline.Taskpipe.Commands;

/// <summary>Which of an agent's streams to show.</summary>
internal sealed class StreamOption : Option<OutputStream[]>
{
    public StreamOption()
        : base("--stream")
    {
        Description = "Only stdout, stderr or system; can be repeated";
        HelpName = "STREAM";
    }
}
