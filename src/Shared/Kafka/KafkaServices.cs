using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Hosting;

namespace TaskPipeline.Shared.Kafka;

public static class KafkaServices
{
    public static IServiceCollection AddKafkaCluster(this IServiceCollection services)
    {
        services.AddAnnotatedOptions<KafkaOptions>(KafkaOptions.Section);
        services.PostConfigure<KafkaOptions>(kafka => kafka.HandlingDirectory ??= Path.Combine(Path.GetTempPath(), "taskpipeline", "handling"));
        services.AddSingleton<IValidateOptions<KafkaOptions>, KafkaLibraryCheck>();
        services.AddSingleton<BrokerClock>().AddSingleton<TimeProvider>(provider => provider.GetRequiredService<BrokerClock>());
        return services.AddSingleton<KafkaCluster>().AddSingleton<TopicWatch>();
    }
}
