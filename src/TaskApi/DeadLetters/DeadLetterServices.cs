namespace TaskPipeline.TaskApi.DeadLetters;

internal static class DeadLetterServices
{
    public static IServiceCollection AddDeadLetters(this IServiceCollection services) =>
        services.AddSingleton<DeadLetterTable>()
            .AddSingleton<Redriver>()
            .AddSingleton<DeadLetterEndpoints>()
            .AddSingleton<BulkRedrives>()
            .AddHostedService(provider => provider.GetRequiredService<BulkRedrives>());
}
