using TaskPipeline.Shared.Artifacts;
using TaskPipeline.Shared.Hosting;

namespace TaskPipeline.TaskApi.Artifacts;

internal static class ArtifactServices
{
    public static IServiceCollection AddArtifacts(this IServiceCollection services) =>
        services.AddAnnotatedOptions<ArtifactOptions>(ArtifactOptions.Section).AddSingleton<ArtifactStore>();
}
