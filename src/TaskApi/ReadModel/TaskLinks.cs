namespace TaskPipeline.TaskApi.ReadModel;

/// <summary>Paths of a task. They carry the offset of its record, so that every replica can wait until it has read the task.</summary>
public sealed record TaskLinks(string Self, string Watch, string Events, string Output, string Stop)
{
    internal static TaskLinks Of(string taskId, TaskPlace place)
    {
        var at = $"?lane={place.Lane}&{(place.IsScheduled ? "schedule" : "offset")}={place.Offset}";
        return new($"/tasks/{taskId}{at}", $"/tasks/{taskId}/watch{at}", $"/tasks/{taskId}/events{at}", $"/tasks/{taskId}/output{at}",
            $"/tasks/{taskId}/stop{at}");
    }
}
