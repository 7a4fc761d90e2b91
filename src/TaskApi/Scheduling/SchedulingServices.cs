namespace TaskPipeline.TaskApi.Scheduling;

internal static class SchedulingServices
{
    public static IServiceCollection AddScheduling(this IServiceCollection services) =>
        services.AddSingleton<ReplicaTurns>().AddSingleton<Schedule>().AddHostedService<Scheduler>().AddHostedService<CarryForward>();
}
