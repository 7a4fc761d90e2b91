using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace TaskPipeline.Taskpipe.Printing;

/// <summary>
/// The output of a command: results go to stdout, messages to stderr. Both are flushed when the command says so, not after every line. They keep their
/// order on a terminal.
/// </summary>
internal sealed class Screen : IDisposable
{
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false);

    private readonly Stream _out;
    private readonly StreamWriter _outText;
    private readonly StreamWriter _errorText;
    private string _footer = "";
    private bool _hasFooter;   // the footer is on the terminal
    private bool? _isOutOpen;  // the unfinished row on the terminal is of stdout, or of stderr; null: there is none

    public Screen(bool asJson)
    {
        AsJson = asJson;
        _out = new BufferedStream(StandardStreams.OpenOutput(), 64 * 1024);
        _outText = new StreamWriter(_out, Utf8, 16 * 1024);
        _errorText = new StreamWriter(Console.OpenStandardError(), Utf8);
        var isWanted = string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR")) && Environment.GetEnvironmentVariable("TERM") != "dumb";
        OutHasColour = isWanted && !Console.IsOutputRedirected;
        ErrorHasColour = isWanted && !Console.IsErrorRedirected;
        OutIsTerminal = !Console.IsOutputRedirected;
        ErrorIsTerminal = !Console.IsErrorRedirected;
        CanErase = Environment.GetEnvironmentVariable("TERM") != "dumb";
        HasFooter = !asJson && ErrorIsTerminal && CanErase;
    }

    public bool AsJson { get; }

    public bool OutIsTerminal { get; }

    public bool ErrorIsTerminal { get; }

    /// <summary>Whether the terminal can erase a row.</summary>
    public bool CanErase { get; }

    public bool OutHasColour { get; }

    public bool ErrorHasColour { get; }

    /// <summary>Whether a terminal can show a footer: a last row that changes.</summary>
    public bool HasFooter { get; }

    public void Out(string text)
    {
        HideFooter();
        if (OutIsTerminal)
            BeginRow(ofOut: true, text);
        _outText.Write(text);
    }

    public void OutLine(string text)
    {
        Out(text);
        _outText.Write('\n');
    }

    public void Json<T>(T value, JsonTypeInfo<T> type) => Json(JsonSerializer.SerializeToUtf8Bytes(value, type));

    public void Json(ReadOnlyMemory<byte> json)
    {
        _outText.Flush();
        _out.Write(json.Span);
        _out.WriteByte((byte)'\n');
    }

    public void Error(string text)
    {
        if (ErrorIsTerminal)
            BeginRow(ofOut: false, text);
        FlushOut();
        HideFooter();
        _errorText.Write(text);
    }

    /// <summary>Prints a message for people; not with <c>--json</c>.</summary>
    public void Say(string sentence)
    {
        if (!AsJson)
            Error(sentence + "\n");
    }

    /// <summary>Sets the row that stays below all output; an empty text removes it.</summary>
    public void SetFooter(string text) => _footer = HasFooter ? text : "";

    public void Flush()
    {
        FlushOut();
        if ((_footer.Length > 0 || _hasFooter) && _isOutOpen is null)   // a footer would hide an unfinished row, such as a prompt
        {
            HideFooter();
            _errorText.Write(_footer);
            _hasFooter = _footer.Length > 0;
        }
        _errorText.Flush();
    }

    public void Dispose()
    {
        _footer = "";
        try
        {
            Flush();
            _outText.Dispose();
            _out.Dispose();
            _errorText.Dispose();
        }
        catch (IOException)
        {
            // The reader of the pipe has ended.
        }
    }

    /// <summary>Ends a row that the other stream has begun.</summary>
    private void BeginRow(bool ofOut, string text)
    {
        if (_isOutOpen is { } isOutOpen && isOutOpen != ofOut)
        {
            (isOutOpen ? _outText : _errorText).Write('\n');
            _errorText.Flush();
        }
        if (text.Length > 0)
            _isOutOpen = text[^1] == '\n' ? null : ofOut;
    }

    private void HideFooter()
    {
        if (!_hasFooter)
            return;
        _hasFooter = false;
        _errorText.Write("\r\e[K");
        _errorText.Flush();
    }

    private void FlushOut()
    {
        _outText.Flush();
        _out.Flush();
    }
}
