using System.IO.Compression;

namespace TaskPipeline.AgentCli.Tests;

/// <summary>A workbook of given XML, for what other programs write and our own writer does not.</summary>
internal static class HandMadeWorkbook
{
    public static void Write(string path, string sheetData, string workbookSettings = "", string sharedStrings = "", string afterSheetData = "")
    {
        const string Main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
        const string Relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
        const string Package = "http://schemas.openxmlformats.org/package/2006/relationships";
        using var archive = ZipFile.Open(path, ZipArchiveMode.Create);
        Add("[Content_Types].xml", """
            <Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels"
            ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/></Types>
            """);
        Add("_rels/.rels", $"""<Relationships xmlns="{Package}"><Relationship Id="rId1" Type="{Relations}/officeDocument" Target="xl/workbook.xml"/></Relationships>""");
        Add("xl/workbook.xml", $"""
            <workbook xmlns="{Main}" xmlns:rel="{Relations}">{workbookSettings}<sheets><sheet name="Data" sheetId="1" rel:id="rId7"/></sheets></workbook>
            """);
        Add("xl/_rels/workbook.xml.rels", $"""
            <Relationships xmlns="{Package}"><Relationship Id="rId7" Type="{Relations}/worksheet" Target="/xl/worksheets/data.xml"/>
            <Relationship Id="rId8" Type="{Relations}/styles" Target="styles.xml"/>
            <Relationship Id="rId9" Type="{Relations}/sharedStrings" Target="sharedStrings.xml"/></Relationships>
            """);
        Add("xl/worksheets/data.xml", $"""<worksheet xmlns="{Main}"><sheetData>{sheetData}</sheetData>{afterSheetData}</worksheet>""");
        Add("xl/sharedStrings.xml", $"""<sst xmlns="{Main}">{sharedStrings}</sst>""");
        Add("xl/styles.xml", $"""
            <styleSheet xmlns="{Main}"><numFmts count="1"><numFmt numFmtId="170" formatCode="[$-407]d. mmmm yyyy;@"/></numFmts>
            <cellStyleXfs count="1"><xf numFmtId="0"/></cellStyleXfs>
            <cellXfs count="5"><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="170"/><xf numFmtId="20"/><xf numFmtId="10"/></cellXfs></styleSheet>
            """);

        void Add(string part, string xml)
        {
            using var writer = new StreamWriter(archive.CreateEntry(part).Open());
            writer.Write("""<?xml version="1.0" encoding="UTF-8" standalone="yes"?>""" + xml);
        }
    }
}
