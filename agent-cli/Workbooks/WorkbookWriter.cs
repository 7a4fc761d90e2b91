using System.Globalization;
using System.IO.Compression;
using System.Xml;

namespace TaskPipeline.AgentCli.Workbooks;

/// <summary>
/// Writes an .xlsx file tab by tab and row by row, so its size does not matter. It supports only what the samples and tests need: shared strings, numbers,
/// dates, booleans, error values, formulas with their cached value, merged cells.
/// </summary>
internal sealed class WorkbookWriter : IDisposable
{
    private const string Main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    private const string Relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    private const string PackageRelations = "http://schemas.openxmlformats.org/package/2006/relationships";
    private const string ContentTypes = "http://schemas.openxmlformats.org/package/2006/content-types";
    private const string Spreadsheet = "application/vnd.openxmlformats-officedocument.spreadsheetml.";

    // The earliest date in a zip file: the same rows give the same file at any time.
    private static readonly DateTimeOffset WrittenAt = new(1980, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly ZipArchive _archive;
    private readonly List<string> _tabs = [];
    private readonly Dictionary<string, int> _sharedStrings = [];

    public WorkbookWriter(string path)
    {
        _archive = ZipFile.Open(path, ZipArchiveMode.Create);
    }

    /// <summary>Writes a tab. A null row leaves its line empty. Merged ranges have the form A1:C1.</summary>
    public void AddTab(string name, IEnumerable<object?[]?> rows, params string[] mergedRanges)
    {
        _tabs.Add(name);
        using var xml = Part($"xl/worksheets/sheet{_tabs.Count}.xml");
        xml.WriteStartElement("worksheet", Main);
        xml.WriteStartElement("sheetData", Main);
        var rowNumber = 0;
        foreach (var row in rows)
        {
            rowNumber++;
            if (row is not null)
                WriteRow(xml, rowNumber, row);
        }

        xml.WriteEndElement();
        if (mergedRanges.Length > 0)
        {
            xml.WriteStartElement("mergeCells", Main);
            foreach (var range in mergedRanges)
                WriteEmpty(xml, "mergeCell", Main, ("ref", range));
            xml.WriteEndElement();
        }

        xml.WriteEndElement();
    }

    public void Dispose()
    {
        WriteSharedStrings();
        WriteStyles();
        WriteWorkbook();
        WriteContentTypes();
        _archive.Dispose();
    }

    private void WriteRow(XmlWriter xml, int rowNumber, object?[] row)
    {
        xml.WriteStartElement("row", Main);
        xml.WriteAttributeString("r", rowNumber.ToString(CultureInfo.InvariantCulture));
        for (var index = 0; index < row.Length; index++)
        {
            if (row[index] is not { } value)
                continue;
            xml.WriteStartElement("c", Main);
            xml.WriteAttributeString("r", CellAddress.Cell(index + 1, rowNumber));
            WriteValue(xml, value);
            xml.WriteEndElement();
        }

        xml.WriteEndElement();
    }

    private void WriteValue(XmlWriter xml, object value)
    {
        switch (value)
        {
            case string text:
                xml.WriteAttributeString("t", "s");
                WriteElement(xml, "v", Shared(text).ToString(CultureInfo.InvariantCulture));
                break;
            case bool isTrue:
                xml.WriteAttributeString("t", "b");
                WriteElement(xml, "v", isTrue ? "1" : "0");
                break;
            case DateTime date:
                xml.WriteAttributeString("s", date.TimeOfDay == TimeSpan.Zero ? "1" : "2");
                WriteElement(xml, "v", date.ToOADate().ToString("R", CultureInfo.InvariantCulture));
                break;
            case CellError error:
                xml.WriteAttributeString("t", "e");
                WriteElement(xml, "v", error.Code);
                break;
            case CellFormula formula:
                WriteElement(xml, "f", formula.Text);
                WriteElement(xml, "v", formula.CachedValue.ToString("R", CultureInfo.InvariantCulture));
                break;
            default:
                if (value is decimal)
                    xml.WriteAttributeString("s", "3");
                WriteElement(xml, "v", Convert.ToDouble(value, CultureInfo.InvariantCulture).ToString("R", CultureInfo.InvariantCulture));
                break;
        }
    }

    private int Shared(string text)
    {
        if (!_sharedStrings.TryGetValue(text, out var index))
            _sharedStrings[text] = index = _sharedStrings.Count;
        return index;
    }

    private void WriteSharedStrings()
    {
        using var xml = Part("xl/sharedStrings.xml");
        xml.WriteStartElement("sst", Main);
        foreach (var text in _sharedStrings.Keys)
        {
            xml.WriteStartElement("si", Main);
            xml.WriteStartElement("t", Main);
            xml.WriteAttributeString("xml", "space", null, "preserve");
            xml.WriteString(text);
            xml.WriteEndElement();
            xml.WriteEndElement();
        }

        xml.WriteEndElement();
    }

    private void WriteStyles()
    {
        using var xml = Part("xl/styles.xml");
        xml.WriteRaw($"""
            <styleSheet xmlns="{Main}"><numFmts count="1"><numFmt numFmtId="164" formatCode="yyyy\-mm\-dd hh:mm"/></numFmts>
            <fonts count="1"><font><sz val="11"/><name val="Calibri"/></font></fonts>
            <fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills>
            <borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>
            <cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>
            <cellXfs count="4"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>
            <xf numFmtId="14" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>
            <xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>
            <xf numFmtId="2" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/></cellXfs></styleSheet>
            """);
    }

    private void WriteWorkbook()
    {
        using (var xml = Part("xl/workbook.xml"))
        {
            xml.WriteStartElement("workbook", Main);
            xml.WriteAttributeString("xmlns", "r", null, Relations);
            xml.WriteStartElement("sheets", Main);
            for (var index = 1; index <= _tabs.Count; index++)
            {
                xml.WriteStartElement("sheet", Main);
                xml.WriteAttributeString("name", _tabs[index - 1]);
                xml.WriteAttributeString("sheetId", index.ToString(CultureInfo.InvariantCulture));
                xml.WriteAttributeString("id", Relations, $"rId{index}");
                xml.WriteEndElement();
            }

            xml.WriteEndElement();
            xml.WriteEndElement();
        }

        using (var xml = Part("xl/_rels/workbook.xml.rels"))
        {
            xml.WriteStartElement("Relationships", PackageRelations);
            for (var index = 1; index <= _tabs.Count; index++)
                WriteRelation(xml, $"rId{index}", "worksheet", $"worksheets/sheet{index}.xml");
            WriteRelation(xml, "rIdStyles", "styles", "styles.xml");
            WriteRelation(xml, "rIdStrings", "sharedStrings", "sharedStrings.xml");
            xml.WriteEndElement();
        }

        using (var xml = Part("_rels/.rels"))
        {
            xml.WriteStartElement("Relationships", PackageRelations);
            WriteRelation(xml, "rId1", "officeDocument", "xl/workbook.xml");
            xml.WriteEndElement();
        }
    }

    private void WriteContentTypes()
    {
        using var xml = Part("[Content_Types].xml");
        xml.WriteStartElement("Types", ContentTypes);
        WriteEmpty(xml, "Default", ContentTypes, ("Extension", "rels"), ("ContentType", "application/vnd.openxmlformats-package.relationships+xml"));
        WriteOverride(xml, "/xl/workbook.xml", "sheet.main+xml");
        for (var index = 1; index <= _tabs.Count; index++)
            WriteOverride(xml, $"/xl/worksheets/sheet{index}.xml", "worksheet+xml");
        WriteOverride(xml, "/xl/styles.xml", "styles+xml");
        WriteOverride(xml, "/xl/sharedStrings.xml", "sharedStrings+xml");
        xml.WriteEndElement();
    }

    private XmlWriter Part(string path)
    {
        var entry = _archive.CreateEntry(path);
        entry.LastWriteTime = WrittenAt;
        var xml = XmlWriter.Create(entry.Open(), new XmlWriterSettings { CloseOutput = true });
        xml.WriteStartDocument(standalone: true);
        return xml;
    }

    private static void WriteRelation(XmlWriter xml, string id, string kind, string target)
    {
        WriteEmpty(xml, "Relationship", PackageRelations, ("Id", id), ("Type", $"{Relations}/{kind}"), ("Target", target));
    }

    private static void WriteOverride(XmlWriter xml, string part, string kind)
    {
        WriteEmpty(xml, "Override", ContentTypes, ("PartName", part), ("ContentType", Spreadsheet + kind));
    }

    private static void WriteElement(XmlWriter xml, string name, string text)
    {
        xml.WriteElementString(name, Main, text);
    }

    private static void WriteEmpty(XmlWriter xml, string name, string space, params (string Name, string Value)[] attributes)
    {
        xml.WriteStartElement(name, space);
        foreach (var (attribute, value) in attributes)
            xml.WriteAttributeString(attribute, value);
        xml.WriteEndElement();
    }
}

internal readonly record struct CellFormula(string Text, double CachedValue);
