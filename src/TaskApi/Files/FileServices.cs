namespace TaskPipeline.TaskApi.Files;

internal static class FileServices
{
    public static IServiceCollection AddFiles(this IServiceCollection services) => services.AddSingleton<FileEndpoint>();
}
