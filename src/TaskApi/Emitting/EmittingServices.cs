namespace TaskPipeline.TaskApi.Emitting;

internal static class EmittingServices
{
    public static IServiceCollection AddEmitting(this IServiceCollection services) => services.AddSingleton<EmitEndpoint>();
}
