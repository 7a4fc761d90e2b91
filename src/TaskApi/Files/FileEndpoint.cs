using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Unicode;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;
using TaskPipeline.Shared.Kafka;
using TaskPipeline.Shared.Tasks;
using TaskPipeline.TaskApi.Http;
using TaskPipeline.TaskApi.Kafka;
using TaskPipeline.TaskApi.Settings;

namespace TaskPipeline.TaskApi.Files;

/// <summary>The answer to an upload.</summary>
/// <param name="File">For a param of type <c>file</c>.</param>
/// <param name="Size">In bytes.</param>
/// <param name="KeptUntil">Until then a task can be given it.</param>
public sealed record FileAnswer(string File, string Name, long Size, string Sha256, DateTimeOffset KeptUntil);

/// <summary>Stores a file in Kafka, chunk by chunk as it comes, so that a worker on any host can have it.</summary>
internal static class FileEndpoint
{
    private const string Default = "file";
    private const string ContentType = "application/octet-stream";
    private const int ChunksOnTheirWay = 8;

    public static async Task<IResult> PostAsync(
        string? name, HttpRequest request, KafkaCluster cluster, RecordWriter writer, IOptions<ApiOptions> options, IOptions<KafkaOptions> kafka)
    {
        name ??= Default;
        // Counted below. A body that is refused unread would take the connection with it, and the answer.
        if (request.HttpContext.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
            limit.MaxRequestBodySize = null;
        // A web page can send forms and plain text to strangers without asking, but not this.
        if (request.ContentType?.Split(';')[0].Trim() is not ContentType)
            return new Problem(
                StatusCodes.Status415UnsupportedMediaType, $"Send the file as it is, with Content-Type: {ContentType} instead of '{request.ContentType}'");
        if (!IsText(request.QueryString))
            return Problem.Invalid("name", "must be UTF-8, percent-encoded");
        if (!FileReference.IsName(name))
            return Problem.Invalid("name", $"must be {FileReference.NameRule}");
        var most = options.Value.MaxFileBytes;
        if (request.ContentLength > most)
            return TooLarge(most);

        var id = Guid.CreateVersion7();
        var file = new FileReference(id, (int)((uint)id.GetHashCode() % cluster.Topics.Lanes), 0, 0, 0, "", name);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var written = new List<Task<long?>>();
        while (true)
        {
            var chunk = new byte[FileReference.ChunkBytes];
            var length = await request.Body.ReadAtLeastAsync(chunk, chunk.Length, throwOnEndOfStream: false, request.HttpContext.RequestAborted);
            if (length == 0 && written.Count > 0)
                break;
            file = file with { Size = file.Size + length, Chunks = file.Chunks + 1 };
            if (file.Size > most)
                return TooLarge(most);
            hash.AppendData(chunk, 0, length);
            written.Add(writer.FileAsync(file.KeyOf(written.Count), length == chunk.Length ? chunk : chunk[..length], file.Partition));
            if (written.Count > ChunksOnTheirWay && await written[^(ChunksOnTheirWay + 1)] is null)
                return NotTaken();
            if (length < chunk.Length)
                break;
        }
        var offsets = await Task.WhenAll(written);
        if (offsets.Contains(null))
            return NotTaken();
        file = file with { Offset = offsets.Min()!.Value, Sha256 = Convert.ToHexStringLower(hash.GetHashAndReset()) };
        return TypedResults.Created((string?)null, new FileAnswer(file.ToString(), name, file.Size, file.Sha256, file.StoredAt + kafka.Value.TaskRetention));
    }

    /// <summary>What is not, the framework would leave as it is: a file would be called by the percent signs and digits of its encoding.</summary>
    private static bool IsText(QueryString query)
    {
        var encoded = Encoding.UTF8.GetBytes(query.Value ?? "");
        return Utf8.IsValid(WebUtility.UrlDecodeToBytes(encoded, 0, encoded.Length));
    }

    private static Problem TooLarge(long most) => new(StatusCodes.Status413PayloadTooLarge, $"A file may have at most {most} bytes (Api:MaxFileBytes)");

    private static Problem NotTaken() => Problem.NotTaken("Kafka did not take the file in time; send it again");
}
