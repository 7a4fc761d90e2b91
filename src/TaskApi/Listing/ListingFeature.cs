using TaskPipeline.TaskApi.Http;

namespace TaskPipeline.TaskApi.Listing;

internal static class ListingFeature
{
    public static void MapListing(this IEndpointRouteBuilder tasks)
    {
        tasks.MapGet("/", TaskEndpoints.List).WithSummary("List tasks, newest first")
            .WithDescription("Filters: status, project, type and class. Send a page's next as after to get the next page.")
            .Produces<TaskPage>().Problems(400, 503);
        tasks.MapGet("/{id}", TaskEndpoints.GetAsync).WithSummary("Everything known about a task, except its output")
            .Produces<TaskDetail>().Problems(404, 503);
        tasks.MapGet("/{id}/output", OutputEndpoint.GetAsync).WithSummary("Output in pages, or as a text file")
            .WithDescription(
                "after and before take cursors, also those of events; seq starts at a line of an attempt. q finds lines with a text. wait=30s answers "
                + "as soon as there are later lines. format=text returns plain text, ndjson one JSON object per line as they are found; both return "
                    + "the whole output unless there is a limit.")
            .Produces<OutputPage>().Produces<string>(StatusCodes.Status200OK, "text/plain").Problems(400, 404, 503);
    }

    /// <summary>The catalogue is available even while Kafka is not.</summary>
    public static void MapTaskTypes(this IEndpointRouteBuilder routes) =>
        routes.MapGet("/task-types", TaskEndpoints.Types).WithTags("Tasks").WithSummary("The task types, with the schema of their params")
            .Produces<TaskTypeList>();
}
