namespace TaskPipeline.TaskApi.Inputs;

internal static class InputServices
{
    public static IServiceCollection AddInputs(this IServiceCollection services) => services.AddSingleton<InputRequests>();
}
