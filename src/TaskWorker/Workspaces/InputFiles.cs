using System.Security.Cryptography;
using System.Text;
using Confluent.Kafka;
using TaskPipeline.Shared.Catalogue;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskWorker.Workspaces;

/// <summary>Copies a task's input files from <c>task-files</c> into its workspace, and checks their hashes.</summary>
internal sealed class InputFiles(KafkaCluster cluster)
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(200);

    /// <summary>Waits while Kafka does not answer.</summary>
    /// <exception cref="ArgumentsException">A file is no longer kept, or its content differs from its reference.</exception>
    public async Task FetchAsync(TaskType type, TaskSubmission task, string workspace, CancellationToken cancellationToken)
    {
        var wanted = type.FilesOf(task.Params).ToList();
        if (wanted.Count > 0)
            await Task.Run(() => Fetch(wanted, workspace, cancellationToken), cancellationToken);
    }

    private void Fetch(List<(string Param, FileReference File)> wanted, string workspace, CancellationToken cancellationToken)
    {
        using var consumer = cluster.TailConsumer(IsolationLevel.ReadUncommitted, isUrgent: true);
        foreach (var (param, file) in wanted)
        {
            if (file.Partition >= cluster.Topics.Lanes)
                throw new ArgumentsException($"params.{param}: '{file.Name}' is not a file of this pipeline");
            var path = AgentArguments.PathOfFile(workspace, param, file);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            Copy(consumer, param, file, path, cancellationToken);
        }
    }

    private void Copy(IConsumer<byte[]?, byte[]?> consumer, string param, FileReference file, string path, CancellationToken cancellationToken)
    {
        using var copy = new FileStream(path, FileMode.CreateNew);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        consumer.Assign(new TopicPartitionOffset(cluster.Topics.Files, file.Partition, file.Offset));
        for (var chunk = 0; chunk < file.Chunks;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var result = consumer.Poll(Poll);
            if (result is { IsPartitionEOF: true })
                throw Gone();   // all chunks were stored before the reference was returned
            if (result?.Message.Key is not { } key
                || Encoding.UTF8.GetString(key) is not { } name
                || !name.StartsWith(file.KeyOf(0)[..^1], StringComparison.Ordinal))
                continue;
            if (name != file.KeyOf(chunk))
                throw Gone();
            var value = result.Message.Value ?? [];
            hash.AppendData(value);
            copy.Write(value);
            chunk++;
        }
        if (copy.Length != file.Size || Convert.ToHexStringLower(hash.GetHashAndReset()) != file.Sha256)
            throw new ArgumentsException($"params.{param}: the content of '{file.Name}' in Kafka differs from what was stored");

        ArgumentsException Gone() => new($"params.{param}: '{file.Name}' is no longer kept; store it again, and submit the task with the new reference");
    }
}
