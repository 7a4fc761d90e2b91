using System.Globalization;
using TaskPipeline.Bench.Chaos.Checking;

namespace TaskPipeline.Bench.Chaos;

/// <summary>
/// The task types of the run: one shell script for all their agents, and the catalogue. Agents write when they begin and end to a file per task. Agents that
/// must not run twice at once hold a file lock meanwhile, so the kernel says whether another one is running.
/// </summary>
internal sealed class ChaosAgents
{
    /// <summary>Environment variable of every agent and every program of the run: a process that has it belongs to the run.</summary>
    public const string FolderVariable = "TASKPIPELINE_CHAOS";

    private const string Script = """
        # WHAT LOCK TENTHS: works for this many tenths of a second, and writes marks when it begins and ends.
        note() { printf '%s %s %s %s %s\n' "$TASK_ATTEMPT" "$1" "$(date +%s%N)" "$lock" "$2" >>"$TASKPIPELINE_CHAOS/marks/$TASK_ID"; }
        work() { i=0; while [ "$i" -lt "$1" ]; do i=$((i + 1)); echo "line $i of $1"; sleep 0.1; done; }
        case $2 in task) lock=task-$TASK_ID ;; project) lock=project-$TASK_PROJECT ;; *) lock=- ;; esac
        found=free code=0
        if [ "$lock" != - ]; then
          exec 9>>"$TASKPIPELINE_CHAOS/locks/$lock"
          flock -n 9 || found=held
        fi
        note start "$found"
        case $1 in
          work) echo "it begins"; work "$3" ;;
          silent) sleep "$(($3 / 10)).$(($3 % 10))" ;;
          fail) work "$3"; echo "these data are bad" >&2; code=3 ;;
          retry) work "$3"; [ "$TASK_ATTEMPT" -ge 3 ] || { echo "the service is unavailable" >&2; code=75; } ;;
          fork) (sleep 1000 &); setsid sleep 1000 >/dev/null 2>&1 & work "$3" ;;
          stubborn) trap '' TERM; work "$3" ;;
        esac
        note end -
        exit "$code"
        """;

    private const int Retries = 4;

    private static readonly AgentType[] Types =
    [
        new("plain", "work", "-", ""),
        new("silent", "silent", "-", ""),
        new("failing", "fail", "-", ""),
        new("retried", "retry", "-", "", Retries),
        new("forking", "fork", "-", ""),
        new("stubborn", "stubborn", "-", ", grace: 500ms"),
        new("single", "work", "task", ", overlap: never"),
        new("exclusive", "work", "project", """, concurrency: { key: "exclusive/{project}", limit: 1 }"""),
    ];

    private readonly string _folder;

    /// <summary>Writes the script and the catalogue.</summary>
    public ChaosAgents(string folder)
    {
        _folder = folder;
        Directory.CreateDirectory(Path.Combine(folder, "marks"));
        Directory.CreateDirectory(Path.Combine(folder, "locks"));
        var config = Directory.CreateDirectory(Path.Combine(folder, "config")).FullName;
        File.WriteAllText(Path.Combine(config, "agent.sh"), Script);
        CatalogueFile = Path.Combine(config, "task-types.yaml");
        var catalogue = string.Join('\n', Types.Select(type => $$"""
              {{type.Name}}:
                { executable: sh, arguments: ['{{Path.Combine(config, "agent.sh")}}', {{type.Does}}, '{{type.Lock}}'], params: { tenths: { positional: true, type: integer, default: 0 } },
                  environment: { {{FolderVariable}}: '{{folder}}' }, time_limit: 2m{{type.Rules}},
                  retry: { attempts: {{type.Attempts}}, lost: 100, backoff: { first: 200ms, factor: 2, max: 2s } } }
            """));
        File.WriteAllText(CatalogueFile, "types:\n" + catalogue);
    }

    public string CatalogueFile { get; }

    public static IReadOnlyDictionary<string, TypeRule> Rules { get; } = Types.ToDictionary(type => type.Name, type => new TypeRule(type.Attempts, type.Does == "fail" ? "failed" : "succeeded"));

    public List<Mark> ReadMarks() =>
        [.. Directory.EnumerateFiles(Path.Combine(_folder, "marks")).SelectMany(file => File.ReadLines(file).Select(line => Parse(Path.GetFileName(file), line.Split(' '))))];

    private static Mark Parse(string taskId, string[] fields) =>
        new(taskId, int.Parse(fields[0], CultureInfo.InvariantCulture), fields[1] == "start", long.Parse(fields[2], CultureInfo.InvariantCulture), fields[3] == "-" ? null : fields[3], fields[4] == "held");

    /// <param name="Rules">More fields of the catalogue's entry.</param>
    private sealed record AgentType(string Name, string Does, string Lock, string Rules, int Attempts = 1);
}
