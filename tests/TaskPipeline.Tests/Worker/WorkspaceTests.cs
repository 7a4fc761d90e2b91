using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Extensions.Options;
using TaskPipeline.LocalProcesses;
using TaskPipeline.Shared.Artifacts;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.Testing;
using Xunit;

namespace TaskPipeline.Tests.Worker;

/// <summary>The folders that an agent is given, and what becomes of what it leaves there.</summary>
public sealed class WorkspaceTests(TestBroker broker) : IDisposable
{
    private const int Timeout = 90_000;
    private const int LongestSocketPath = 107;
    private const string OddNames = "printf x > \"$(printf 'a\\377b')\"; mkdir \"$(printf 'd\\376')\"; printf x > \"$(printf 'd\\376')/in\"; printf x > \"$(printf 'new\\nline')\"";

    private readonly string _folder = Directory.CreateTempSubdirectory("taskpipeline-files-").FullName;

    public void Dispose() => RawFiles.Delete(_folder);

    [Fact(Timeout = Timeout)]
    public async Task Home_and_tmpdir_are_short_and_a_terminal_pages_nothing()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, lanes: 1, catalogue: """
            types:
              pipes:    { executable: sh, arguments: [-c, 'env; stat -c %a "$TMPDIR" "$HOME"'] }
              terminal: { executable: sh, arguments: [-c, 'env; stty size'], terminal: true, environment: { MANPAGER: more } }
              small:    { executable: sh, arguments: [-c, 'stty size'], terminal: true, terminal_size: { columns: 81, rows: 31 } }
            """);
        var data = Path.Combine(pipeline.Folder, "data");
        var (pipes, terminal, small) = (await LinesOfAsync("pipes"), await LinesOfAsync("terminal"), await LinesOfAsync("small"));
        foreach (var name in new[] { "HOME", "TMPDIR" })
        {
            var folder = Assert.Single(pipes, line => line.StartsWith(name + '=', StringComparison.Ordinal))[(name.Length + 1)..];
            Assert.StartsWith(data + '/', folder, StringComparison.Ordinal);
            Assert.InRange(folder.Length - data.Length, 1, 30);
            Assert.DoesNotContain(folder, string.Join('\n', terminal), StringComparison.Ordinal);   // each attempt has its own
        }
        Assert.Equal(["700", "700"], pipes.TakeLast(2));
        Assert.DoesNotContain(pipes, line => line.Contains("PAGER", StringComparison.Ordinal));
        Assert.Equal(["GIT_PAGER=cat", "MANPAGER=more", "PAGER=cat", "SYSTEMD_PAGER=cat"], terminal.Where(line => line.Contains("PAGER", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
        Assert.Equal(("50 200", "31 81"), (terminal[^1], small[^1]));
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(data, "run")));
        Assert.DoesNotContain("Worker:DataDirectory", pipeline.Workers[0].Output, StringComparison.Ordinal);

        async Task<List<string>> LinesOfAsync(string type)
        {
            var id = await pipeline.SubmitAsync(type);
            Assert.Equal(Status.Succeeded, (await pipeline.EndOfAsync(id)).Status);
            Assert.Matches($"Task {id} starts, attempt 1: {type} in {data}/run/[0-9a-f]+$", await pipeline.Workers[0].WaitForLineAsync($"Task {id} starts"));
            return [.. (await pipeline.LinesAsync(id)).Select(line => line.Text)];
        }
    }

    [Fact(Timeout = Timeout)]
    public async Task A_data_folder_that_is_too_long_for_sockets_is_warned_of_at_the_start()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, lanes: 1, workers: 0);
        var data = Path.Combine(pipeline.Folder, new string('d', 40));
        var worker = await pipeline.AddWorkerAsync(new KeyValuePair<string, string?>("Worker:DataDirectory", data));
        var left = LongestSocketPath - Encoding.UTF8.GetByteCount(data) - "/run/0123456789/home".Length;
        Assert.Contains($"has at most {data.Length - 48 + left} bytes", await worker.WaitForLineAsync($"which leaves {left} of the 107"), StringComparison.Ordinal);
    }

    [Fact(Timeout = Timeout)]
    public async Task Oddly_named_and_unreadable_entries_hide_no_other_artifact_and_are_counted()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, lanes: 1);
        var id = await pipeline.SubmitAsync("script", new
        {
            script = $"printf x > outside; {OddNames}; cd \"$TASK_ARTIFACTS\"; {OddNames}; mkdir -m 0 closed; mkdir sub; printf hello > sub/ok; ln -s / link; chmod a-w . sub ../..",
        });
        var end = await pipeline.EndOfAsync(id);
        Assert.Equal((Status.Succeeded, 3), (end.Status, end.Attempts[0].ArtifactsLeftOut));
        Assert.Equal([new Artifact("new\nline", 1), new Artifact("sub/ok", 5)], end.Attempts[0].Artifacts!);
        var warning = (await pipeline.RecordAsync<AgentEvent>(id, reported => reported.Name == AgentEventName.Warning)).Data.GetProperty("message").GetString();
        Assert.Equal("3 of its artifacts are left out: a\\xFFb its name is not UTF-8; d\\xFE its name is not UTF-8; link is not a file", warning);
        await Eventually.TrueAsync("nothing is left of its workspace", () => !Directory.EnumerateFileSystemEntries(Path.Combine(pipeline.Folder, "data", "run")).Any(), TestPipeline.MaxWait);
        Assert.DoesNotContain("cannot be deleted", pipeline.Workers[0].Output, StringComparison.Ordinal);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_link_in_place_of_the_artifacts_is_deleted_and_what_it_leads_to_is_untouched()
    {
        await using var pipeline = await TestPipeline.StartAsync(broker, lanes: 1);
        await ShellAsync($"mkdir deep; for i in $(seq 120); do printf x > file$i; done; ln -s / link; chmod 755 . deep", Outside());
        var before = await ListAsync(Outside());
        foreach (var (place, name) in new[] { ("\"$TASK_ARTIFACTS\"", "{0}/1"), ("\"${TASK_ARTIFACTS%/*}\"", "{0}") })
        {
            var id = await pipeline.SubmitAsync("script", new { script = $"rm -rf {place}; ln -s {Outside()} {place}" });
            var end = await pipeline.EndOfAsync(id);
            Assert.Equal((Status.Succeeded, 1), (end.Status, end.Attempts[0].ArtifactsLeftOut));
            var warning = (await pipeline.RecordAsync<AgentEvent>(id, reported => reported.Name == AgentEventName.Warning)).Data.GetProperty("message").GetString();
            Assert.Equal($"1 of its artifacts is left out: {string.Format(name, id)} is a link, which is not followed", warning);
            Assert.False(Path.Exists(Path.Combine(pipeline.Folder, "artifacts", string.Format(name, id))));
        }
        Assert.Equal(before, await ListAsync(Outside()));
    }

    [Fact]
    public async Task Links_among_the_artifacts_lead_nowhere()
    {
        await ShellAsync("mkdir 1; printf x > 1/file; printf x > file", Outside());
        var store = new ArtifactStore(Options.Create(new ArtifactOptions { Directory = Path.Combine(_folder, "artifacts"), Keep = TimeSpan.FromMilliseconds(1) }), TimeProvider.System);
        Directory.CreateDirectory(store.FolderOf("kept", 1));
        File.CreateSymbolicLink(Path.Combine(_folder, "artifacts", "task"), Outside());
        File.CreateSymbolicLink(Path.Combine(store.FolderOf("kept", 1), "sub"), Outside());
        await ShellAsync("touch -d '3 days ago' 1", Outside());
        var before = await ListAsync(Outside());
        Assert.Null(store.Find("task", 1, "file"));
        Assert.Null(store.Find("kept", 1, "sub/file"));
        Assert.Throws<IOException>(() => RawFiles.NamesIn(Path.Combine(_folder, "artifacts", "task")));
        Assert.Empty(store.RemoveOld());
        Assert.False(Path.Exists(Path.Combine(_folder, "artifacts", "task")));
        Assert.Equal(before, await ListAsync(Outside()));
    }

    private string Outside() => Directory.CreateDirectory(Path.Combine(_folder, "outside")).FullName;

    /// <summary>Everything in a folder, with modes, sizes and times.</summary>
    private static async Task<string> ListAsync(string folder)
    {
        await using var shell = ChildProcess.StartFile("/bin/ls", "ls", ["-lRa", "--time-style=full-iso", folder]);
        Assert.Equal(0, await shell.WaitForExitAsync());
        return shell.Output;
    }

    [Fact]
    public async Task What_is_read_only_is_deleted_by_who_owns_it()
    {
        var tree = Path.Combine(_folder, "tree");
        Directory.CreateDirectory(Path.Combine(tree, "module", "deep"));
        await File.WriteAllTextAsync(Path.Combine(tree, "module", "deep", "file"), "x", TestContext.Current.CancellationToken);
        File.CreateSymbolicLink(Path.Combine(tree, "link"), "/usr");
        foreach (var command in new[] { OddNames, "chmod -R a-w .; chmod 0 module/deep" })
            await ShellAsync(command, tree);
        await ShellAsync($"chown -hR {Nobody} . 2>/dev/null || :", _folder);
        Assert.Empty(await AsNobodyAsync(() => RawFiles.Delete(tree)));
        Assert.False(Path.Exists(tree));
        Assert.True(Directory.Exists("/usr"));
    }

    [Fact]
    public async Task What_cannot_be_deleted_is_said_and_the_rest_goes()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "only root can make files of another user");
        var tree = Path.Combine(_folder, "tree");
        Directory.CreateDirectory(Path.Combine(tree, "others"));
        await ShellAsync("printf x > \"others/$(printf 'a\\377')\"; printf x > mine; chmod 755 others", tree);
        await ShellAsync($"chown {Nobody} . tree tree/mine", _folder);
        var left = await AsNobodyAsync(() => RawFiles.Delete(tree));
        Assert.Equal([$"{tree}/others/a\\xFF: Permission denied"], left);
        Assert.Equal([Path.Combine(tree, "others")], Directory.EnumerateFileSystemEntries(tree));
        Assert.Empty(RawFiles.Delete(tree));
    }

    [Fact]
    public async Task Old_artifacts_go_whatever_they_are_called()
    {
        var store = new ArtifactStore(Options.Create(new ArtifactOptions { Directory = _folder, Keep = TimeSpan.FromMilliseconds(1) }), TimeProvider.System);
        Directory.CreateDirectory(store.FolderOf("task", 1));
        await ShellAsync(OddNames, store.FolderOf("task", 1));
        Directory.SetLastWriteTimeUtc(store.FolderOf("task", 1), DateTime.UtcNow.AddDays(-1));
        Assert.Empty(store.RemoveOld());
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder));
    }

    private const int Nobody = 65534;

    private static async Task ShellAsync(string command, string folder)
    {
        await using var shell = ChildProcess.StartFile("/bin/sh", "sh", ["-c", command], workingDirectory: folder);
        Assert.Equal(0, await shell.WaitForExitAsync());
    }

    private delegate int SetUser(int id);

    /// <summary>Root may everything; so the kernel is told to judge what this one thread does with files as if another user did it.</summary>
    private static Task<T> AsNobodyAsync<T>(Func<T> work)
    {
        var setUser = Marshal.GetDelegateForFunctionPointer<SetUser>(NativeLibrary.GetExport(NativeLibrary.Load("libc.so.6"), "setfsuid"));
        return Task.Factory.StartNew(
            () =>
            {
                if (Environment.IsPrivilegedProcess)
                    setUser(Nobody);
                return work();
            },
            CancellationToken.None, TaskCreationOptions.LongRunning | TaskCreationOptions.RunContinuationsAsynchronously, TaskScheduler.Default);   // a thread of its own, on which nothing else goes on
    }
}
