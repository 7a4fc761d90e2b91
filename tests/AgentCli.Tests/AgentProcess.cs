using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Threading.Channels;
using Xunit;

namespace TaskPipeline.AgentCli.Tests;

/// <summary>The real agent-cli as a child process. Its lines can be read as they come; the test's timeout ends waiting, disposing ends the process.</summary>
internal sealed partial class AgentProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly Channel<string> _lines = Channel.CreateUnbounded<string>();
    private readonly List<string> _output = [];   // owned by the pump
    private readonly Task _pump;
    private readonly Task<string> _error;

    private AgentProcess(Process process)
    {
        _process = process;
        _pump = PumpAsync();
        _error = process.StandardError.ReadToEndAsync();
    }

    /// <summary>agent-cli in its own build output: beside the tests it would miss what ASP.NET Core brings along for them.</summary>
    public static string ProgramFolder { get; } = FolderOf(new DirectoryInfo(AppContext.BaseDirectory));

    public static string Program { get; } = Path.Combine(ProgramFolder, OperatingSystem.IsWindows() ? "agent-cli.exe" : "agent-cli");

    public int Id => _process.Id;

    private static CancellationToken TestEnds => TestContext.Current.CancellationToken;

    public static AgentProcess Start(string program, IEnumerable<string> arguments, string folder, IReadOnlyDictionary<string, string?> environment)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // The program finds the runtime where this one did, wherever that is installed.
        start.Environment["DOTNET_ROOT"] = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        return new AgentProcess(Process.Start(start)!);
    }

    /// <summary>The next line that begins so.</summary>
    public async Task<string> LineAsync(string start)
    {
        await foreach (var line in _lines.Reader.ReadAllAsync(TestEnds))
        {
            if (line.StartsWith(start, StringComparison.Ordinal))
                return line;
        }

        throw new InvalidOperationException($"agent-cli ended without a line '{start}…': {await _error}");
    }

    public async Task<AgentResult> ResultAsync(string input = "")
    {
        await _process.StandardInput.WriteAsync(input.AsMemory(), TestEnds);
        _process.StandardInput.Close();
        await _process.WaitForExitAsync(TestEnds);
        await _pump.WaitAsync(TestEnds);
        return new AgentResult(_process.ExitCode, _output, await _error.WaitAsync(TestEnds));
    }

    /// <summary>To this process alone, not to its children.</summary>
    public void Signal(int signal)
    {
        Assert.Equal(0, Kill(_process.Id, signal));
    }

    /// <summary>Ids of the processes that it started and that are still there.</summary>
    public List<int> Children()
    {
        return [.. Directory.EnumerateDirectories("/proc").Select(Path.GetFileName).Where(name => int.TryParse(name, out _))
            .Select(name => int.Parse(name!, CultureInfo.InvariantCulture)).Where(id => ParentOf(id) == _process.Id)];
    }

    /// <summary>The most memory it has had so far, in MB; null when it has ended.</summary>
    public int? PeakMemory()
    {
        return Status(_process.Id, "VmHWM") is { } kilobytes ? kilobytes / 1024 : null;
    }

    public static bool IsAlive(int id)
    {
        return Status(id, "PPid") is not null;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
            _process.Kill(entireProcessTree: true);
        await _pump;
        await _error;
        _process.Dispose();
    }

    // artifacts/bin/PROJECT/CONFIGURATION
    private static string FolderOf(DirectoryInfo tests)
    {
        return Path.Combine(tests.Parent!.Parent!.FullName, "agent-cli", tests.Name);
    }

    private static int? ParentOf(int id)
    {
        return Status(id, "PPid");
    }

    private static int? Status(int id, string field)
    {
        try
        {
            var line = File.ReadLines($"/proc/{id}/status").FirstOrDefault(line => line.StartsWith(field + ":", StringComparison.Ordinal));
            return line is null ? null : int.Parse(line.Split([':', '\t', ' '], StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return null;
        }
    }

    private async Task PumpAsync()
    {
        while (await _process.StandardOutput.ReadLineAsync() is { } line)
        {
            _output.Add(line);
            _lines.Writer.TryWrite(line);
        }

        _lines.Writer.Complete();
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Kill(int id, int signal);
}

internal sealed record AgentResult(int ExitCode, IReadOnlyList<string> Output, string Error)
{
    public AgentResult ShouldSucceed()
    {
        Assert.True(ExitCode == 0 && Error.Length == 0, $"exit code {ExitCode}: {Error}");
        return this;
    }

    /// <summary>One line on stderr for the user, and nothing of the program's insides.</summary>
    public AgentResult ShouldFail(int exitCode, string reason)
    {
        Assert.Equal(exitCode, ExitCode);
        Assert.Contains(reason, Error, StringComparison.Ordinal);
        Assert.StartsWith("agent-cli: ", Error, StringComparison.Ordinal);
        Assert.Single(Error.TrimEnd().Split('\n'));
        Assert.DoesNotContain("   at ", Error, StringComparison.Ordinal);
        return this;
    }
}
