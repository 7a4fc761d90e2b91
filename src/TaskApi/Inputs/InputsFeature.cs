using TaskPipeline.TaskApi.Http;

namespace TaskPipeline.TaskApi.Inputs;

internal static class InputsFeature
{
    public static IServiceCollection AddInputs(this IServiceCollection services) => services.AddSingleton<InputRequests>();

    public static void MapInputs(this IEndpointRouteBuilder tasks) =>
        tasks.MapPost("/{id}/input", InputEndpoint.PostAsync).WithSummary("Write a line to a running agent's stdin")
            .WithDescription(
                "For task types with input: true. 202: Kafka has stored it; the event input reports when the agent has it. It is for the running attempt; "
                + "later attempts start without it.")
            .TakesIdempotencyKey()
            .Accepts<SendInput>("application/json")
            .Produces<InputAnswer>(StatusCodes.Status202Accepted).Problems(400, 404, 409, 413, 415, 503);
}
