using System.Security.Cryptography;
using System.Text;
using TaskPipeline.Shared.Tasks;

namespace TaskPipeline.TaskApi.Http;

/// <summary>Ids that follow from what was asked for: whoever asks again, on whichever replica, comes to the same one.</summary>
internal static class DerivedId
{
    private const int Bytes = 16;

    /// <summary><c>h-</c> and 128 bits of a hash. No part holds a NUL, so no two lists of parts read the same.</summary>
    public static string Of(params ReadOnlySpan<string?> parts) =>
        TaskIds.DerivedPrefix + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\0', parts))).AsSpan(0, Bytes));
}
