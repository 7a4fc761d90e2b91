namespace TaskPipeline.TaskApi.Pausing;

internal static class PausingServices
{
    public static IServiceCollection AddPausing(this IServiceCollection services) => services.AddSingleton<PauseRequests>();
}
