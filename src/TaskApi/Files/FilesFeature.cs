using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.ReadModel;

namespace TaskPipeline.TaskApi.Files;

internal static class FilesFeature
{
    public static void MapFiles(this IEndpointRouteBuilder routes) =>
        routes.MapWhenReady("/files", "Tasks").MapPost("", FileEndpoint.PostAsync).WithSummary("Store an input file for tasks")
            .WithDescription(
                "The body is the file, the parameter name its name. Use the answer's file as a param of type file; the worker that runs the task puts a "
                + "copy into its workspace.")
            .Accepts<Stream>("application/octet-stream")
            .Produces<FileAnswer>(StatusCodes.Status201Created).Problems(400, 413, 415, 503);
}
