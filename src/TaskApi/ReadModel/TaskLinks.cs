namespace TaskPipeline.TaskApi.ReadModel;

/// <summary>Where a task can be followed. The place of its record in the links lets every replica answer for it at once.</summary>
public sealed record TaskLinks(string Self, string Watch, string Events, string Output, string Stop)
{
    internal static TaskLinks Of(string taskId, TaskPlace place)
    {
        var at = $"?lane={place.Lane}&{(place.IsScheduled ? "schedule" : "offset")}={place.Offset}";
        return new($"/tasks/{taskId}{at}", $"/tasks/{taskId}/watch{at}", $"/tasks/{taskId}/events{at}", $"/tasks/{taskId}/output{at}",
            $"/tasks/{taskId}/stop{at}");
    }
}
