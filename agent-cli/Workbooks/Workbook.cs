using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Xml;
using ExcelDataReader;
using ExcelDataReader.Exceptions;

namespace TaskPipeline.AgentCli.Workbooks;

/// <summary>
/// An .xlsx file, read row by row; only its table of distinct texts is in memory. Formulas give the value that was last calculated. A file that is not a
/// workbook, or is damaged, gives a <see cref="CommandException"/>.
/// </summary>
internal sealed class Workbook : IDisposable
{
    private static readonly TimeSpan CollectEvery = TimeSpan.FromMilliseconds(200);

    private readonly string _path;
    private readonly FileStream _readerStream;
    private readonly FileStream _partsStream;
    private readonly WorkbookParts _parts;
    private readonly IExcelDataReader _reader;

    static Workbook()
    {
        // ExcelDataReader needs the Windows code page even if it only reads XML.
        Encoding.RegisterProvider(CodePagesEncodingProvider.Instance);
    }

    private Workbook(string path, FileStream readerStream, FileStream partsStream)
    {
        _path = path;
        _readerStream = readerStream;
        _partsStream = partsStream;
        _parts = new WorkbookParts(partsStream);
        _reader = ExcelReaderFactory.CreateOpenXmlReader(readerStream);
    }

    public IReadOnlyCollection<string> Tabs => _parts.Tabs;

    [SuppressMessage("Reliability", "CA2000", Justification = "The workbook owns the streams; if there is no workbook, the catch closes them")]
    public static Workbook Open(string path)
    {
        if (!File.Exists(path))
            throw CommandException.Usage($"there is no file {path}");
        var readerStream = File.OpenRead(path);
        var partsStream = File.OpenRead(path);
        try
        {
            RefuseOtherFormats(path, readerStream);
            return GivingBack(() => Sound(path, () => new Workbook(path, readerStream, partsStream)));
        }
        catch
        {
            readerStream.Dispose();
            partsStream.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Loading a million texts leaves more garbage than text, and with enough memory the collector would not collect it. Collecting during and after the
    /// load keeps that garbage from adding to the memory of the texts and rows.
    /// </summary>
    private static T GivingBack<T>(Func<T> load)
    {
        using var collecting = new Timer(static _ => GiveBack(), null, CollectEvery, CollectEvery);
        var loaded = load();
        GiveBack();
        return loaded;
    }

    private static void GiveBack() => GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);

    /// <summary>The exact name of a tab, found in any case as in Excel.</summary>
    public string Tab(string name)
    {
        return Tabs.FirstOrDefault(tab => string.Equals(tab, name.Trim(), StringComparison.OrdinalIgnoreCase))
            ?? throw CommandException.Usage($"{_path} has no tab '{name}'; its tabs are: {string.Join(", ", Tabs.Select(tab => $"'{tab}'"))}");
    }

    public IReadOnlyList<CellRange> MergedRanges(string tab)
    {
        Sound(_path, () => MoveTo(tab));
        return _reader.MergeCells ?? [];
    }

    /// <summary>All rows down to the last used one, including empty rows. Only one enumeration at a time.</summary>
    public IEnumerable<SheetRow> Rows(string tab)
    {
        Sound(_path, () => MoveTo(tab));
        using var errors = _parts.ErrorCells(tab).GetEnumerator();
        var hasError = Sound(_path, errors.MoveNext);
        for (var number = 1; Sound(_path, _reader.Read); number++)
        {
            var cells = Sound(_path, Cells);
            while (hasError && errors.Current.Row <= number)
            {
                if (errors.Current.Row == number && errors.Current.Column <= cells.Length)
                    cells[errors.Current.Column - 1] = errors.Current.Error;
                hasError = Sound(_path, errors.MoveNext);
            }

            yield return new SheetRow(number, cells);
        }
    }

    public void Dispose()
    {
        _reader.Dispose();
        _parts.Dispose();
        _readerStream.Dispose();
        _partsStream.Dispose();
    }

    private bool MoveTo(string tab)
    {
        _reader.Reset();
        while (_reader.Name != tab)
        {
            if (!_reader.NextResult())
                throw new CommandException($"the tab '{tab}' of {_path} has no cells");
        }

        return true;
    }

    private object?[] Cells()
    {
        var cells = new object?[_reader.FieldCount];
        for (var index = 0; index < cells.Length; index++)
        {
            cells[index] = _reader.GetValue(index) switch
            {
                string text when string.IsNullOrWhiteSpace(text) => null,
                int number => (double)number,
                var value => value,
            };
        }

        return cells;
    }

    private static void RefuseOtherFormats(string path, FileStream stream)
    {
        Span<byte> start = stackalloc byte[4];
        var length = stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
        stream.Position = 0;
        if (start[..length].StartsWith(new byte[] { 0xD0, 0xCF, 0x11, 0xE0 }))
            throw new CommandException($"{path} is an old .xls or has a password; save it as .xlsx without one");
        if (!start[..length].StartsWith("PK"u8))
            throw new CommandException($"{path} is not an Excel workbook (.xlsx)");
    }

    private static T Sound<T>(string path, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception exception) when (IsDamage(exception))
        {
            throw new CommandException($"{path} is damaged, or not an Excel workbook (.xlsx): {exception.Message}", exception);
        }
    }

    // The reader throws many kinds of exceptions for damaged files; each of these has occurred.
    private static bool IsDamage(Exception exception)
    {
        return exception is ExcelReaderException or InvalidDataException or EndOfStreamException or XmlException or FormatException
            or ArgumentException or InvalidOperationException or KeyNotFoundException or IndexOutOfRangeException or NullReferenceException
            or OverflowException;
    }
}
