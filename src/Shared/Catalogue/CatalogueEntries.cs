using YamlDotNet.Serialization;

namespace TaskPipeline.Shared.Catalogue;

/// <summary>The parsed catalogue file; <see cref="TaskCatalogue"/> is its meaning. Property names are those of the file, in snake_case.</summary>
internal sealed class CatalogueEntries
{
    public Dictionary<string, TypeEntry> Types { get; set; } = [];
}

/// <summary>A task type is either run itself or has commands that are run.</summary>
internal sealed class TypeEntry : CommandEntry
{
    public Dictionary<string, CommandEntry>? Commands { get; set; }
}

internal class CommandEntry
{
    public string? Summary { get; set; }
    public string? Executable { get; set; }
    public List<string> Arguments { get; set; } = [];
    public Dictionary<string, ParamEntry?> Params { get; set; } = [];
    public Dictionary<string, string> Environment { get; set; } = [];
    public List<string> PassEnvironment { get; set; } = [];
    public List<string> AllowProjectEnvironment { get; set; } = [];
    public List<string> Secrets { get; set; } = [];
    public string? TimeLimit { get; set; }
    public string? Grace { get; set; }
    public OutputLimitEntry? OutputLimit { get; set; }
    public string? Parser { get; set; }
    public string? SilenceLimit { get; set; }
    public int? ProcessLimit { get; set; }
    public string? DiskLimit { get; set; }
    public int? OpenFiles { get; set; }
    public string? MemoryLimit { get; set; }
    public double? CpuLimit { get; set; }
    public bool Terminal { get; set; }
    public TerminalSizeEntry? TerminalSize { get; set; }
    public string? AfterResult { get; set; }
    public bool Input { get; set; }
    public RetryEntry? Retry { get; set; }
    public string? Overlap { get; set; }
    public ConcurrencyEntry? Concurrency { get; set; }
    public string? Priority { get; set; }
    public string? StartBy { get; set; }
    public string? Deadline { get; set; }
}

internal sealed class ParamEntry
{
    public string? Summary { get; set; }
    public string? Type { get; set; }
    public string? Flag { get; set; }
    public string? Option { get; set; }
    public bool Separate { get; set; }
    public bool Positional { get; set; }
    public bool Stdin { get; set; }
    public LongValueEntry? WhenLong { get; set; }
    public bool Required { get; set; }

    /// <summary>Text from the file; it is parsed as the param's type.</summary>
    [YamlMember(ScalarStyle = YamlDotNet.Core.ScalarStyle.Any)]
    public string? Default { get; set; }

    public string? Pattern { get; set; }
    public List<string>? Choices { get; set; }
    public double? Min { get; set; }
    public double? Max { get; set; }
    public int? MaxLength { get; set; }
    public string? Under { get; set; }
}

internal sealed class LongValueEntry
{
    public string? Pass { get; set; }
    public string? Value { get; set; }
    public string? Option { get; set; }
}

internal sealed class TerminalSizeEntry
{
    public int? Columns { get; set; }
    public int? Rows { get; set; }
}

internal sealed class OutputLimitEntry
{
    public long? Lines { get; set; }
    public string? Bytes { get; set; }
    public string? Then { get; set; }
}

internal sealed class RetryEntry
{
    public int? Attempts { get; set; }
    public int? Lost { get; set; }
    public string? OnLost { get; set; }
    public List<int> FinalExitCodes { get; set; } = [];
    public BackoffEntry? Backoff { get; set; }
    public List<RetryRuleEntry?> Rules { get; set; } = [];
}

internal sealed class BackoffEntry
{
    public string? First { get; set; }
    public double? Factor { get; set; }
    public string? Max { get; set; }
    public double? Jitter { get; set; }
}

internal sealed class RetryRuleEntry
{
    public List<int> ExitCodes { get; set; } = [];
    public List<string> Signals { get; set; } = [];
    public List<string> Reasons { get; set; } = [];
    public Dictionary<string, string?> Event { get; set; } = [];
    public string? Then { get; set; }
    public string? Class { get; set; }
}

internal sealed class ConcurrencyEntry
{
    public string? Key { get; set; }
    public int? Limit { get; set; }
}
