using System.Security.Cryptography;
using System.Text;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskApi.Http;

/// <summary>Ids derived from a request: the same request gives the same id on every replica.</summary>
internal static class DerivedId
{
    private const int Bytes = 16;

    /// <summary><c>h-</c> and 128 bits of a hash. The parts are joined with NUL, which no part contains, so different lists give different ids.</summary>
    public static string Of(params ReadOnlySpan<string?> parts) =>
        TaskIds.DerivedPrefix + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\0', parts))).AsSpan(0, Bytes));
}
