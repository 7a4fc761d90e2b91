using System.IO.Compression;
using System.Xml;

namespace TaskPipeline.AgentCli.Workbooks;

/// <summary>
/// Reads from the workbook's XML what ExcelDataReader 3.6 does not offer: the list of tabs without reading all of them, and error cells, which it returns
/// as empty (https://github.com/ExcelDataReader/ExcelDataReader/issues/466).
/// </summary>
internal sealed class WorkbookParts : IDisposable
{
    private readonly ZipArchive _archive;
    private readonly Dictionary<string, string> _partOfTab = [];

    public WorkbookParts(Stream stream)
    {
        _archive = new ZipArchive(stream, ZipArchiveMode.Read, leaveOpen: true);
        var targets = Elements("xl/_rels/workbook.xml.rels", "Relationship")
            .ToDictionary(relation => relation.GetAttribute("Id")!, relation => relation.GetAttribute("Target")!);
        foreach (var sheet in Elements("xl/workbook.xml", "sheet"))
        {
            // The namespace prefix of this attribute is arbitrary, and strict workbooks use another namespace.
            var relation = Attributes(sheet).First(attribute => attribute.Name == "id").Value;
            var target = targets[relation];
            _partOfTab[sheet.GetAttribute("name")!] = target.StartsWith('/') ? target[1..] : "xl/" + target;
        }
    }

    public IReadOnlyCollection<string> Tabs => _partOfTab.Keys;

    /// <summary>In the order of rows, then columns.</summary>
    public IEnumerable<(int Row, int Column, CellError Error)> ErrorCells(string tab)
    {
        using var xml = Open(_partOfTab[tab]);
        var (row, column) = (0, 0);
        while (xml.Read())
        {
            if (xml.NodeType != XmlNodeType.Element)
                continue;
            if (xml.LocalName == "row")
            {
                row = int.TryParse(xml.GetAttribute("r"), out var number) ? number : row + 1;
                column = 0;
            }
            else if (xml.LocalName == "c")
            {
                column = xml.GetAttribute("r") is { } address ? CellAddress.ColumnOf(address) : column + 1;
                if (xml.GetAttribute("t") == "e" && xml.ReadToDescendant("v", xml.NamespaceURI))
                    yield return (row, column, new CellError(xml.ReadElementContentAsString()));
            }
        }
    }

    public void Dispose()
    {
        _archive.Dispose();
    }

    private IEnumerable<XmlReader> Elements(string part, string name)
    {
        using var xml = Open(part);
        while (xml.Read())
        {
            if (xml.NodeType == XmlNodeType.Element && xml.LocalName == name)
                yield return xml;
        }
    }

    private XmlReader Open(string part)
    {
        var entry = _archive.GetEntry(part) ?? throw new InvalidDataException($"it has no {part}");
        return XmlReader.Create(entry.Open(), new XmlReaderSettings { CloseInput = true, DtdProcessing = DtdProcessing.Prohibit });
    }

    private static IEnumerable<(string Name, string Value)> Attributes(XmlReader xml)
    {
        while (xml.MoveToNextAttribute())
            yield return (xml.LocalName, xml.Value);
        xml.MoveToElement();
    }
}
