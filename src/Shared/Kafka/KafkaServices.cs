using Microsoft.Extensions.DependencyInjection;
using TaskPipeline.Shared.Hosting;

namespace TaskPipeline.Shared.Kafka;

public static class KafkaServices
{
    public static IServiceCollection AddKafkaCluster(this IServiceCollection services)
    {
        services.AddAnnotatedOptions<KafkaOptions>(KafkaOptions.Section);
        services.PostConfigure<KafkaOptions>(kafka => kafka.HandlingDirectory ??= Path.Combine(Path.GetTempPath(), "taskpipeline", "handling"));
        return services.AddSingleton<KafkaCluster>().AddSingleton<TopicWatch>();
    }
}
