using Microsoft.AspNetCore.StaticFiles;
using TaskPipeline.Shared.Artifacts;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.ReadModel;

namespace TaskPipeline.TaskApi.Artifacts;

/// <summary>The files that a task's agents left, by attempt.</summary>
/// <param name="ArtifactsLeftOut">How many more files were not kept, over all attempts; missing if none.</param>
public sealed record ArtifactList(IReadOnlyList<ArtifactView> Artifacts, int? ArtifactsLeftOut = null);

/// <param name="Size">In bytes.</param>
/// <param name="Url">Where to download it; null if this API does not find it, or no longer finds it, in its <c>Artifacts:Directory</c>.</param>
public sealed record ArtifactView(int Attempt, string Name, long Size, string? Url);

internal static class ArtifactEndpoints
{
    private static readonly FileExtensionContentTypeProvider ContentTypes = new();

    public static async Task<IResult> ListAsync(string id, HttpContext context, TaskFinder finder, TaskTable table, ArtifactStore store)
    {
        var (found, problem) = await finder.FindAsync(id, context.Request.Query, context.RequestAborted);
        if (problem is not null)
            return problem;
        var leftOut = table.Read(found!, tracked => tracked.Attempts.Sum(attempt => attempt.ArtifactsLeftOut ?? 0));
        return TypedResults.Ok(new ArtifactList([.. Of(found!, table).Select(kept => ViewOf(kept.Attempt, kept.Artifact))], leftOut > 0 ? leftOut : null));

        ArtifactView ViewOf(int attempt, Artifact artifact) =>
            new(attempt, artifact.Name, artifact.Size, store.Find(id, attempt, artifact.Name) is null ? null : UrlOf(id, attempt, artifact.Name));
    }

    /// <summary>Always a download: a file that an agent wrote must not run as a page of this API.</summary>
    public static async Task<IResult> GetAsync(
        string id, int attempt, string name, HttpContext context, TaskFinder finder, TaskTable table, ArtifactStore store)
    {
        var (found, problem) = await finder.FindAsync(id, context.Request.Query, context.RequestAborted);
        if (problem is not null)
            return problem;
        if (!Of(found!, table).Any(kept => kept.Attempt == attempt && kept.Artifact.Name == name))
            return new Problem(
                StatusCodes.Status404NotFound, $"Attempt {attempt} of task '{id}' has no artifact '{name}'; GET /tasks/{id}/artifacts lists them");
        if (store.Find(id, attempt, name) is not { } file)
            return new Problem(
                StatusCodes.Status404NotFound,
                $"'{name}' is not in this API's Artifacts:Directory: the worker uses another directory, or the file is older than Artifacts:Keep");
        var contentType = ContentTypes.TryGetContentType(name, out var type) ? type : "application/octet-stream";
        return TypedResults.PhysicalFile(file.FullName, contentType, Path.GetFileName(name), file.LastWriteTimeUtc, enableRangeProcessing: true);
    }

    private static List<(int Attempt, Artifact Artifact)> Of(TrackedTask task, TaskTable table) =>
        table.Read(task, tracked => tracked.Attempts.SelectMany(attempt => (attempt.Artifacts ?? []).Select(artifact => (attempt.Attempt, artifact))).ToList());

    private static string UrlOf(string id, int attempt, string name) =>
        $"/tasks/{id}/artifacts/{attempt}/{string.Join('/', name.Split('/').Select(Uri.EscapeDataString))}";
}
