namespace TaskPipeline.TaskApi.Stopping;

internal static class StoppingServices
{
    public static IServiceCollection AddStopping(this IServiceCollection services) => services.AddSingleton<StopRequests>();
}
