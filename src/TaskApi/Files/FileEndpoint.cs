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
/// <param name="File">The value for a param of type <c>file</c>.</param>
/// <param name="Size">In bytes.</param>
/// <param name="KeptUntil">Tasks can use the file until then.</param>
public sealed record FileAnswer(string File, string Name, long Size, string Sha256, DateTimeOffset KeptUntil);

/// <summary>Stores an uploaded file in Kafka, in chunks as they arrive, so that a worker on any host can read it.</summary>
internal static class FileEndpoint
{
    private const string Default = "file";
    private const string ContentType = "application/octet-stream";
    private const int ChunksOnTheirWay = 8;

    public static async Task<IResult> PostAsync(
        string? name, HttpRequest request, KafkaCluster cluster, RecordWriter writer, IOptions<ApiOptions> options, IOptions<KafkaOptions> kafka)
    {
        name ??= Default;
        // The limit is enforced below. Kestrel closes the connection of a body that it refuses unread, and the client loses the answer.
        if (request.HttpContext.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
            limit.MaxRequestBodySize = null;
        // A browser lets a web page send forms and plain text to other origins without a preflight, but not this type.
        if (request.ContentType?.Split(';')[0].Trim() is not ContentType)
            return new Problem(
                StatusCodes.Status415UnsupportedMediaType, $"Send the raw file with Content-Type: {ContentType} instead of '{request.ContentType}'");
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

    /// <summary>The framework leaves invalid UTF-8 as it is: the file's name would contain the percent-encoding.</summary>
    private static bool IsText(QueryString query)
    {
        var encoded = Encoding.UTF8.GetBytes(query.Value ?? "");
        return Utf8.IsValid(WebUtility.UrlDecodeToBytes(encoded, 0, encoded.Length));
    }

    private static Problem TooLarge(long most) => new(StatusCodes.Status413PayloadTooLarge, $"A file may have at most {most} bytes (Api:MaxFileBytes)");

    private static Problem NotTaken() => Problem.NotTaken("Kafka did not acknowledge the file in time; send it again");
}
