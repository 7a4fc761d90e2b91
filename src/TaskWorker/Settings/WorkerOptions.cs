using System.ComponentModel.DataAnnotations;

namespace TaskPipeline.TaskWorker.Settings;

public sealed class WorkerOptions
{
    public const string Section = "Worker";

    /// <summary>Name of this worker in records and logs; two workers must not share one.</summary>
    [RegularExpression("^[A-Za-z0-9._-]{1,100}$", ErrorMessage = "Worker:Id may hold 1 to 100 letters, digits, dots, underscores and dashes")]
    public string Id { get; set; } = $"{Environment.MachineName}-{Environment.ProcessId}";

    /// <summary>Base address of the project-config API.</summary>
    [Required(ErrorMessage = "Worker:ProjectConfigUrl is missing: name the project-config API, such as http://127.0.0.1:8081")]
    [Url(ErrorMessage = "Worker:ProjectConfigUrl must be an http address, such as http://127.0.0.1:8081")]
    public string ProjectConfigUrl { get; set; } = "";

    /// <summary>Where attempts have their workspaces.</summary>
    [Required(ErrorMessage = "Worker:DataDirectory must not be empty")]
    public string DataDirectory { get; set; } = Path.Combine(Path.GetTempPath(), "taskpipeline");

    /// <summary>Folders in which executables are looked up before <c>PATH</c>, separated like it.</summary>
    public string SearchPath { get; set; } = "";

    /// <summary>On SIGTERM, how long the running task may go on before it is given back.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "1.00:00:00", ErrorMessage = "Worker:DrainTimeout must be 0 to 1 day")]
    public TimeSpan DrainTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How long the state of an ended task is kept. It must outlive the records of <c>tasks</c>, or one that is read again would run again.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "3650.00:00:00", ErrorMessage = "Worker:Keep must be 1 s to 10 years")]
    public TimeSpan Keep { get; set; } = TimeSpan.FromDays(15);

    /// <summary>Give each agent a control group of its own, where the worker may make them.</summary>
    public bool Cgroups { get; set; } = true;

    /// <summary>For tests: where in the life of a task the worker kills itself, as docs/task-lifecycle.md lists.</summary>
    public string CrashAt { get; set; } = "";
}
