using Microsoft.OpenApi;

namespace TaskPipeline.TaskApi.Http;

/// <summary>Additions to the OpenAPI document that the framework cannot infer.</summary>
internal static class RouteDescriptions
{
    public static RouteHandlerBuilder TakesIdempotencyKey(this RouteHandlerBuilder route) => route.AddOpenApiOperationTransformer((operation, _, _) =>
    {
        (operation.Parameters ??= []).Add(new OpenApiParameter
        {
            Name = IdempotencyKey.Header,
            In = ParameterLocation.Header,
            Description = "1 to 200 printable characters. Repeating a call with the same key does nothing more and returns the same answer.",
            Schema = new OpenApiSchema { Type = JsonSchemaType.String },
        });
        return Task.CompletedTask;
    });

    /// <summary>Query parameters that the handler reads itself.</summary>
    public static TBuilder TakesQuery<TBuilder>(this TBuilder route, params IReadOnlyList<(string Name, string Description)> parameters) where TBuilder
        : IEndpointConventionBuilder =>
        route.AddOpenApiOperationTransformer((operation, _, _) =>
        {
            foreach (var (name, description) in parameters)
                (operation.Parameters ??= []).Add(new OpenApiParameter { Name = name, In = ParameterLocation.Query, Description = description,
                    Schema = new OpenApiSchema { Type = JsonSchemaType.String } });
            return Task.CompletedTask;
        });

    public static RouteHandlerBuilder Problems(this RouteHandlerBuilder route, params ReadOnlySpan<int> statuses)
    {
        foreach (var status in statuses)
            route.ProducesProblem(status);
        return route;
    }
}
