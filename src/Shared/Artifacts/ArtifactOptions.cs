using System.ComponentModel.DataAnnotations;

namespace TaskPipeline.Shared.Artifacts;

public sealed class ArtifactOptions
{
    public const string Section = "Artifacts";

    /// <summary>
    /// Where workers keep what agents leave in <c>TASK_ARTIFACTS</c>, and where the API finds it: the same folder for all of them, or the API has
    /// nothing to show.
    /// </summary>
    [Required(ErrorMessage = "Artifacts:Directory must not be empty")]
    public string Directory { get; set; } = Path.Combine(Path.GetTempPath(), "taskpipeline", "artifacts");

    /// <summary>How much of one attempt is kept; files that do not fit any more are deleted.</summary>
    [Range(0, long.MaxValue, ErrorMessage = "Artifacts:MaxBytes must be 0 or more")]
    public long MaxBytes { get; set; } = 1L << 30;

    /// <summary>How long after the attempt.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "3650.00:00:00", ErrorMessage = "Artifacts:Keep must be 1 s to 10 years")]
    public TimeSpan Keep { get; set; } = TimeSpan.FromDays(7);
}
