using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace TaskPipeline.Shared.Kafka;

public static class KafkaServices
{
    public static IServiceCollection AddKafkaCluster(this IServiceCollection services)
    {
        services.AddOptions<KafkaOptions>().BindConfiguration(KafkaOptions.Section).ValidateOnStart();
        services.AddSingleton<IValidateOptions<KafkaOptions>, KafkaOptionsValidator>();
        services.AddSingleton<KafkaCluster>();
        return services;
    }
}
