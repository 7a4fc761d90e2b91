using TaskPipeline.Shared.Artifacts;
using TaskPipeline.Shared.Hosting;
using TaskPipeline.TaskApi.Http;

namespace TaskPipeline.TaskApi.Artifacts;

internal static class ArtifactsFeature
{
    public static IServiceCollection AddArtifacts(this IServiceCollection services) =>
        services.AddAnnotatedOptions<ArtifactOptions>(ArtifactOptions.Section).AddSingleton<ArtifactStore>();

    public static void MapArtifacts(this IEndpointRouteBuilder tasks)
    {
        tasks.MapGet("/{id}/artifacts", ArtifactEndpoints.ListAsync).WithSummary("List the files that a task's agents left")
            .Produces<ArtifactList>().Problems(404, 503);
        tasks.MapGet("/{id}/artifacts/{attempt:int}/{**name}", ArtifactEndpoints.GetAsync).WithSummary("Download an artifact")
            .Produces<Stream>(StatusCodes.Status200OK, "application/octet-stream").Problems(404, 503);
    }
}
