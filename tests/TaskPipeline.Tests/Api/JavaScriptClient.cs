using System.Text.Json;
using TaskPipeline.LocalProcesses;
using Xunit;

namespace TaskPipeline.Tests.Api;

/// <summary>A program of tests/js, driven line by line.</summary>
internal sealed class JavaScriptClient : IAsyncDisposable
{
    private readonly ChildProcess _process;
    private int _read;

    private JavaScriptClient(ChildProcess process) => _process = process;

    public static JavaScriptClient Start(string program, params IReadOnlyList<string> arguments)
    {
        var folder = Path.Combine(BuildOutput.Repository, "tests", "js");
        Assert.SkipUnless(Directory.Exists(Path.Combine(folder, "node_modules")), "the npm packages of tests/js are missing: ./build setup installs them where Node.js is");
        Assert.SkipUnless(FindNode() is not null, "Node.js is missing");
        return new JavaScriptClient(ChildProcess.StartFile(FindNode()!, program, [Path.Combine(folder, program), .. arguments], workingDirectory: folder));
    }

    public Task SendAsync(string command) => _process.WriteLineAsync(command);

    /// <summary>The next line that has this field, with those before it passed over.</summary>
    public async Task<JsonElement> NextAsync(string field)
    {
        while (true)
        {
            await _process.WaitForLineAsync(_ => true, from: _read);
            var line = _process.Lines[_read++];
            if (line.StartsWith('{') && JsonElement.Parse(line).TryGetProperty(field, out var value))
                return value;
            if (field != "error" && line.Contains("\"error\"", StringComparison.Ordinal))
                throw new InvalidOperationException(_process.Output);
        }
    }

    /// <summary>Waits until a line has this field and its value matches; lines that were read before count too, and none is passed over.</summary>
    public Task HasToldAsync(string field, Func<JsonElement, bool> matches) =>
        _process.WaitForLineAsync(line => line.StartsWith('{') && JsonElement.Parse(line).TryGetProperty(field, out var value) && matches(value));

    public IEnumerable<JsonElement> All(string field) =>
        _process.Lines.Where(line => line.StartsWith('{')).Select(line => JsonElement.Parse(line)).Where(told => told.TryGetProperty(field, out _)).Select(told => told.GetProperty(field));

    /// <summary>Closes its input, and waits until it ends by itself.</summary>
    public async Task EndAsync()
    {
        _process.CloseInput();
        Assert.Equal(0, await _process.WaitForExitAsync());
    }

    public ValueTask DisposeAsync() => _process.DisposeAsync();

    /// <summary>The test is skipped where there is none.</summary>
    public static string FindChromium()
    {
        var chromium = Environment.GetEnvironmentVariable("CHROMIUM") is { Length: > 0 } given ? given : "/usr/bin/chromium";
        Assert.SkipUnless(File.Exists(chromium), $"there is no Chromium at {chromium}; CHROMIUM names another");
        return chromium;
    }

    private static string? FindNode() =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Select(folder => Path.Combine(folder, OperatingSystem.IsWindows() ? "node.exe" : "node")).FirstOrDefault(File.Exists);
}
