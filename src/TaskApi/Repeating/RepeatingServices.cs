namespace TaskPipeline.TaskApi.Repeating;

internal static class RepeatingServices
{
    public static IServiceCollection AddRepeating(this IServiceCollection services) => services.AddSingleton<TaskRepeater>().AddSingleton<ReplayEndpoint>();
}
