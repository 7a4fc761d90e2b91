namespace TaskPipeline.TaskApi.Submitting;

internal static class SubmittingServices
{
    public static IServiceCollection AddSubmitting(this IServiceCollection services) =>
        services.AddSingleton<TaskWriter>().AddHostedService(provider => provider.GetRequiredService<TaskWriter>()).AddSingleton<SubmitEndpoint>();
}
