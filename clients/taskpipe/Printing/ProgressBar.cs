using System.Globalization;
using TaskPipeline.Client;

namespace TaskPipeline.Taskpipe.Printing;

internal static class ProgressBar
{
    private const int Cells = 24;

    public static string Of(ProgressEvent progress, int width)
    {
        var text = progress.Step ?? "";
        if (progress.Percent is { } percent)
        {
            var full = (int)Math.Round(Math.Clamp(percent, 0, 100) / 100 * Cells);
            text = string.Create(CultureInfo.InvariantCulture, $"[{new string('#', full)}{new string('.', Cells - full)}] {percent,3:0}% {text}");
        }
        text = new string([.. text.TrimEnd().Where(letter => !char.IsControl(letter))]);
        return text.Length < width ? text : text[..Math.Max(0, width - 1)];   // a row that wraps cannot be erased
    }
}
