using System.Net;
using System.Text.Json;
using TaskPipeline.Testing;
using TaskPipeline.Tests.Api;
using TaskPipeline.Tests.Worker;
using Xunit;

namespace TaskPipeline.Tests.EndToEnd;

/// <summary>Everything together: a pipeline with workers as processes, and API replicas with real sockets in front of it.</summary>
internal sealed class Deployment : IAsyncDisposable
{
    private const int Lanes = 4;

    private readonly TestBroker _broker;

    private Deployment(TestBroker broker, TestPipeline pipeline) => (_broker, Pipeline) = (broker, pipeline);

    public TestPipeline Pipeline { get; }
    public List<ApiUnderTest> Replicas { get; } = [];
    public ApiUnderTest Api => Replicas[0];

    public static async Task<Deployment> StartAsync(TestBroker broker, int workers = 1, int replicas = 1, string? catalogue = null, params KeyValuePair<string, string?>[] settings)
    {
        var pipeline = catalogue is null
            ? await TestPipeline.StartAsync(broker, workers, Lanes, settings: settings)
            : await TestPipeline.StartAsync(broker, workers, Lanes, catalogue, settings);
        var deployment = new Deployment(broker, pipeline);
        for (var i = 0; i < replicas; i++)
            await deployment.AddReplicaAsync();
        return deployment;
    }

    public async Task<ApiUnderTest> AddReplicaAsync()
    {
        var api = await ApiUnderTest.StartAsync(_broker, Pipeline.Prefix, $"--Catalogue:File={Pipeline.CatalogueFile}");
        Replicas.Add(api);
        return api;
    }

    public async Task<Submitted> SubmitAsync(string type, object? parameters = null, string? command = null, ApiUnderTest? api = null)
    {
        var (status, body) = await (api ?? Api).PostAsync("tasks", new { type, command, @params = parameters ?? new { } });
        Assert.True(status == HttpStatusCode.Accepted, body.ToString());
        return new Submitted(body);
    }

    public async Task StopAsync(Submitted task) => Assert.Equal(HttpStatusCode.Accepted, (await Api.PostAsync($"tasks/{task.TaskId}/stop")).Status);

    public async ValueTask DisposeAsync()
    {
        foreach (var api in Replicas)
            await api.DisposeAsync();
        await Pipeline.DisposeAsync();
    }

    public static string StatusOf(JsonElement told) => told.GetProperty("status").GetString()!;
}
