using System.ComponentModel.DataAnnotations;

namespace TaskPipeline.Shared.Artifacts;

public sealed class ArtifactOptions
{
    public const string Section = "Artifacts";

    /// <summary>Directory of artifacts: what agents write to <c>TASK_ARTIFACTS</c>. Workers and the API must share it, or the API cannot show them.</summary>
    [Required(ErrorMessage = "Artifacts:Directory must not be empty")]
    public string Directory { get; set; } = Path.Combine(Path.GetTempPath(), "taskpipeline", "artifacts");

    /// <summary>Most bytes that are kept of one attempt; files beyond that are deleted.</summary>
    [Range(0, long.MaxValue, ErrorMessage = "Artifacts:MaxBytes must be 0 or more")]
    public long MaxBytes { get; set; } = 1L << 30;

    /// <summary>How long artifacts are kept after the attempt.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "3650.00:00:00", ErrorMessage = "Artifacts:Keep must be 1 s to 10 years")]
    public TimeSpan Keep { get; set; } = TimeSpan.FromDays(7);
}
