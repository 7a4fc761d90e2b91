using Microsoft.AspNetCore.Http.HttpResults;

namespace TaskPipeline.ProjectConfig;

internal static class ProjectEndpoints
{
    public static void MapProjects(this IEndpointRouteBuilder routes) => routes.MapGet("/projects/{project}", Get);

    private static Results<JsonHttpResult<Project>, ProblemHttpResult> Get(string project, ProjectFile file) =>
        file.Read().TryGetValue(project, out var found)
            ? TypedResults.Json(found, ProjectFile.Json)
            : TypedResults.Problem(title: "Unknown project", detail: $"There is no project '{project}'.", statusCode: StatusCodes.Status404NotFound);
}
