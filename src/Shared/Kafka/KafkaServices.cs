using Microsoft.Extensions.DependencyInjection;
using TaskPipeline.Shared.Hosting;

namespace TaskPipeline.Shared.Kafka;

public static class KafkaServices
{
    public static IServiceCollection AddKafkaCluster(this IServiceCollection services)
    {
        services.AddAnnotatedOptions<KafkaOptions>(KafkaOptions.Section);
        return services.AddSingleton<KafkaCluster>().AddSingleton<TopicWatch>();
    }
}
