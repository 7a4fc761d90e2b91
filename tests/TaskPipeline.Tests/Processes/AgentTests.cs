using TaskPipeline.TaskWorker.Running;

namespace TaskPipeline.Tests.Processes;

/// <summary>Tests of agents; each class of them is run over every library that can start one.</summary>
public abstract class AgentTests
{
    private readonly StartAgent _start;

    private protected AgentTests(StartAgent start) => _start = start;

    private protected AgentUnderTest NewAgent(string script, AgentLimits? limits = null, AgentCgroup? cgroup = null, bool hasTerminal = false, int? openFiles = null, Task? mayBegin = null, Action<int>? spawned = null) =>
        new(_start, script, limits, cgroup, hasTerminal, openFiles, mayBegin, spawned);
}

public sealed class ProcessTreeOverSystemTests() : ProcessTreeTests(AgentProcess.System);

public sealed class LimitOverSystemTests() : LimitTests(AgentProcess.System);

public sealed class AwkwardAgentOverSystemTests() : AwkwardAgentTests(AgentProcess.System);

public sealed class CleanUpOverSystemTests() : CleanUpTests(AgentProcess.System);

#if CLIWRAP
public sealed class ProcessTreeOverCliWrapTests() : ProcessTreeTests(AgentProcess.CliWrap);

public sealed class LimitOverCliWrapTests() : LimitTests(AgentProcess.CliWrap);

public sealed class AwkwardAgentOverCliWrapTests() : AwkwardAgentTests(AgentProcess.CliWrap);

public sealed class CleanUpOverCliWrapTests() : CleanUpTests(AgentProcess.CliWrap);
#endif
