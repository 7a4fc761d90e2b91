using System.CommandLine;
using TaskPipeline.Client;
using TaskPipeline.Taskpipe.Printing;

namespace TaskPipeline.Taskpipe.Commands;

internal static class ArtifactsCommand
{
    private const string Details = """
        Lists the files that the task's agents have left, by attempt. --to downloads them into one folder for each attempt and
        replaces existing files.
        Example: taskpipe artifacts 0199d0a0-6d6c-7b1e-9a55-0f3e7a8c2b11 --to report
        """;

    public static Command Create()
    {
        var id = new TaskIdArgument();
        var to = new Option<DirectoryInfo?>("--to") { Description = "Download the files into this directory", HelpName = "DIRECTORY" };
        var artifacts = new DetailedCommand("artifacts", "List or download the files that a task has left.", Details) { id, to };
        artifacts.SetAction((parsed, cancellationToken) => Session.RunAsync(parsed, async session =>
        {
            var taskId = parsed.GetRequiredValue(id);
            var all = await session.Client.ArtifactsAsync(taskId, cancellationToken);
            if (parsed.GetValue(to) is not { } directory)
            {
                await Following.PrintTableAsync(session.Screen, $"{"ATTEMPT",7} {"BYTES",12} NAME", all.ToAsyncEnumerable(), artifact => Print(session.Screen, artifact));
                return ExitCodes.Succeeded;
            }
            foreach (var artifact in all)
                await DownloadAsync(session, taskId, artifact, directory, cancellationToken);
            return all.All(artifact => artifact.Url is not null) ? ExitCodes.Succeeded : ExitCodes.Failed;
        }));
        return artifacts;
    }

    private static async Task DownloadAsync(Session session, string taskId, Artifact artifact, DirectoryInfo directory, CancellationToken cancellationToken)
    {
        if (artifact.Url is null)
        {
            session.Screen.Say($"{artifact.Name} of attempt {artifact.Attempt} is not available on the server");
            return;
        }
        var root = Path.GetFullPath(Path.Combine(directory.FullName, $"{artifact.Attempt}")) + Path.DirectorySeparatorChar;
        var path = Path.GetFullPath(Path.Combine(root, artifact.Name));
        if (!path.StartsWith(root, StringComparison.Ordinal))
            throw new CommandException($"the server sent a file name outside the attempt's folder: {artifact.Name}");
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        await using (var content = await session.Client.OpenArtifactAsync(taskId, artifact.Attempt, artifact.Name, cancellationToken))
        await using (var file = File.Create(path))
            await content.CopyToAsync(file, cancellationToken);
        if (session.Screen.AsJson)
            session.Screen.Json(artifact, TaskpipeJson.Readable.Artifact);
        else
            session.Screen.OutLine(path);
    }

    private static void Print(Screen screen, Artifact artifact)
    {
        if (screen.AsJson)
            screen.Json(artifact, TaskpipeJson.Readable.Artifact);
        else
            screen.OutLine($"{artifact.Attempt,7} {artifact.Size,12} {artifact.Name}{(artifact.Url is null ? Paint.Aside(" (not available on the server)", screen.OutHasColour) : "")}");
    }
}
