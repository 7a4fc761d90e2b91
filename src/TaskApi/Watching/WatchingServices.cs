using System.Text.Json.Serialization.Metadata;

namespace TaskPipeline.TaskApi.Watching;

internal static class WatchingServices
{
    public static IServiceCollection AddWatching(this IServiceCollection services)
    {
        services.AddSingleton<WatchGate>();
        services.AddSingleton<WatchEndpoints>();
        services.AddSingleton<StateSubscriptions>();
        services.AddSignalR(hub =>
            {
                hub.MaximumReceiveMessageSize = 4 * 1024;
                hub.KeepAliveInterval = HelloEvent.Heartbeat;
            })
            .AddJsonProtocol(json =>
            {
                ApiJson.Apply(json.PayloadSerializerOptions);
                json.PayloadSerializerOptions.TypeInfoResolverChain.Add(new DefaultJsonTypeInfoResolver());
                json.PayloadSerializerOptions.Converters.Add(new WatchEventJson());
            });
        return services;
    }
}
