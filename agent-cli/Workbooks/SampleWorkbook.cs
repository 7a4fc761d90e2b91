namespace TaskPipeline.AgentCli.Workbooks;

/// <summary>A sample workbook with typical features: dates, formulas, gaps, an empty row, a merged header, some mistakes.</summary>
internal static class SampleWorkbook
{
    private static readonly string[] Header =
        ["Attribute ID", "Name", "Group", "Type", "Required", "Unit", "Weight", "Doubled Weight", "Valid From", "Last Check"];

    private static readonly string[] Subjects = ["Housing", "Motor", "Cable", "Display", "Battery", "Cover", "Sensor", "Handle"];
    private static readonly string[] Qualities = ["Height", "Width", "Colour", "Material", "Voltage", "Finish", "Range"];
    private static readonly string[] Groups = ["Mechanics", "Electrics", "Design", "Safety"];
    private static readonly string[] Types = ["text", "number", "list", "yes/no"];
    private static readonly string?[] Units = ["mm", "kg", "V", null, null];
    private static readonly string[] Regions = ["North", "East", "South", "West"];
    private static readonly DateTime FirstDay = new(2023, 1, 2);

    public static void Write(string path, int rows)
    {
        using var workbook = new WorkbookWriter(path);
        workbook.AddTab("MB Attributes", Attributes(rows));
        workbook.AddTab("Regional Prices", RegionalPrices(), "A1:F1", "A3:A4", "B3:B4", "C3:D3", "E3:F3");
        workbook.AddTab("Notes", [["Topic", "Note"], ["Origin", "Made by agent-cli make-workbook; every value is invented."]]);
    }

    private static IEnumerable<object?[]?> Attributes(int rows)
    {
        yield return Header;
        for (var row = 1; row <= rows; row++)
        {
            if (row == (rows / 2) + 1)
                yield return null;
            yield return Attribute(row, sheetRow: row + (row > rows / 2 ? 2 : 1));
        }
    }

    private static object?[] Attribute(int row, int sheetRow)
    {
        var weight = decimal.Round(0.5m + (row * 37 % 400 / 20m), 2);
        object weightCell = row % 211 == 0 ? "n/a" : row % 307 == 0 ? 9999.5m : weight;
        object doubled = weightCell is decimal number ? new CellFormula($"G{sheetRow}*2", (double)number * 2) : new CellError("#VALUE!");
        return
        [
            $"MB-{row:000000}",
            $"{Subjects[row % Subjects.Length]} {Qualities[row % Qualities.Length]} {row}",
            Groups[row * 3 / 5 % Groups.Length],
            Types[row % Types.Length],
            row % 3 == 0,
            Units[row % Units.Length],
            weightCell,
            doubled,
            FirstDay.AddDays(row % 730),
            row % 10 == 0 ? null : FirstDay.AddDays(row % 365).AddMinutes(row % 1440),
        ];
    }

    private static IEnumerable<object?[]?> RegionalPrices()
    {
        yield return ["Prices by region, valid for the whole year"];
        yield return null;
        yield return ["Region", "Currency", "Net", null, "Gross", null];
        yield return [null, null, "List", "Contract", "List", "Contract"];
        for (var row = 0; row < 40; row++)
        {
            var list = 100m + (row * 4.25m);
            yield return [Regions[row % Regions.Length], row % 4 == 3 ? "CHF" : "EUR", list, list * 0.9m, list * 1.19m, list * 0.9m * 1.19m];
        }
    }
}
