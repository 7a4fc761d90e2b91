using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using TaskPipeline.AgentCli.Databases;

namespace TaskPipeline.AgentCli.Analysing;

/// <summary>
/// One part of the analysis, in its own child process. The child ends when its stdin is closed, so it also ends when its parent is killed.
/// </summary>
internal sealed class PartProcess : IDisposable
{
    private static readonly TimeSpan OwnSignal = TimeSpan.FromMilliseconds(500);

    private readonly Process _process;
    private readonly string _name;

    private PartProcess(Process process, string name)
    {
        _process = process;
        _name = name;
    }

    public static PartProcess Start(ProjectDatabase database, IEnumerable<string> importIds, int part, int parts)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        // With `dotnet agent-cli.dll` the process is dotnet, and the program is its first argument.
        if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet")
            start.ArgumentList.Add(Environment.GetCommandLineArgs()[0]);
        foreach (var argument in (string[])["agent", "analyse-part", "--part", $"{part}", "--parts", $"{parts}"])
            start.ArgumentList.Add(argument);
        foreach (var importId in importIds)
        {
            start.ArgumentList.Add("--import");
            start.ArgumentList.Add(importId);
        }

        start.Environment["DB_CONN"] = database.Connection;
        return new PartProcess(Process.Start(start)!, $"part {part} of {parts}");
    }

    public async Task<List<TabProfile>> ResultAsync(Action<int> rowsRead, CancellationToken cancellationToken)
    {
        var complaint = _process.StandardError.ReadToEndAsync(cancellationToken);
        List<TabProfile>? profiles = null;
        while (await _process.StandardOutput.ReadLineAsync(cancellationToken) is { } line)
        {
            if (line.StartsWith(PartLines.Rows, StringComparison.Ordinal))
                rowsRead(int.Parse(line.AsSpan(PartLines.Rows.Length), CultureInfo.InvariantCulture));
            else if (line.StartsWith(PartLines.Profiles, StringComparison.Ordinal))
                profiles = JsonSerializer.Deserialize(line.AsSpan(PartLines.Profiles.Length), ProfileJson.Default.ListTabProfile);
        }

        await _process.WaitForExitAsync(cancellationToken);
        if (_process.ExitCode == ExitCodes.Succeeded && profiles is not null)
            return profiles;
        // Ctrl+C reaches the whole process group, and a child can end first.
        if (_process.ExitCode == ExitCodes.Interrupted)
            await Task.Delay(OwnSignal, cancellationToken);
        throw new CommandException($"{_name} ended with exit code {_process.ExitCode}: {(await complaint).Trim()}");
    }

    public void Dispose()
    {
        try
        {
            _process.Kill();
        }
        catch (InvalidOperationException)
        {
            // It has already ended.
        }

        _process.Dispose();
    }
}
