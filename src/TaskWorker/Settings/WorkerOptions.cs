using System.ComponentModel.DataAnnotations;

namespace TaskPipeline.TaskWorker.Settings;

public sealed class WorkerOptions
{
    public const string Section = "Worker";

    /// <summary>Name of this worker in records and logs; must be unique.</summary>
    [RegularExpression("^[A-Za-z0-9._-]{1,100}$", ErrorMessage = "Worker:Id must be 1 to 100 letters, digits, dots, underscores and dashes")]
    public string Id { get; set; } = $"{Environment.MachineName}-{Environment.ProcessId}";

    /// <summary>Base address of the project-config API.</summary>
    [Required(ErrorMessage = "Worker:ProjectConfigUrl is missing: set the address of the project-config API, such as http://127.0.0.1:8081")]
    [Url(ErrorMessage = "Worker:ProjectConfigUrl must be an http address, such as http://127.0.0.1:8081")]
    public string ProjectConfigUrl { get; set; } = "";

    /// <summary>Directory of the attempts' workspaces.</summary>
    [Required(ErrorMessage = "Worker:DataDirectory must not be empty")]
    public string DataDirectory { get; set; } = Path.Combine(Path.GetTempPath(), "taskpipeline");

    /// <summary>Folders that are searched for executables before <c>PATH</c>, in the format of <c>PATH</c>.</summary>
    public string SearchPath { get; set; } = "";

    /// <summary>After SIGTERM, how long the running task can continue before it is given back.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "1.00:00:00", ErrorMessage = "Worker:DrainTimeout must be 0 to 1 day")]
    public TimeSpan DrainTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// How long the state of an ended task is kept. It must outlive the task's records in <c>tasks</c>; otherwise a record that is read again would run again.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:01", "3650.00:00:00", ErrorMessage = "Worker:Keep must be 1 s to 10 years")]
    public TimeSpan Keep { get; set; } = TimeSpan.FromDays(15);

    /// <summary>Give each agent its own control group, if the worker may create them.</summary>
    public bool Cgroups { get; set; } = true;

    /// <summary>For tests: the point in a task's life at which the worker kills itself; see docs/task-lifecycle.md.</summary>
    public string CrashAt { get; set; } = "";
}
