using System.Data.Common;

namespace TaskPipeline.AgentCli.Databases;

/// <summary>The sample data. Their keys are fixed, so adding them twice adds nothing.</summary>
internal static class SampleRows
{
    private const int Customers = 20;
    private const int Products = 30;
    private const int Orders = 100;

    private static readonly string[] Countries = ["AT", "CH", "DE", "DK", "FR", "IT", "NL", "PL"];
    private static readonly string[] Towns = ["Aachen", "Bern", "Calais", "Delft", "Essen", "Florence", "Graz", "Hamburg", "Innsbruck", "Jena"];
    private static readonly string[] Trades = ["Trading", "Workshop"];
    private static readonly string[] Materials = ["Steel", "Oak", "Glass"];
    private static readonly string[] Goods = ["Shelf", "Table", "Lamp", "Chair", "Cabinet", "Frame", "Door", "Rail", "Stand", "Box"];
    private static readonly DateOnly FirstDay = new(2024, 1, 8);

    public static async Task<int> AddMissingAsync(DbTransaction transaction, string table, CancellationToken cancellationToken)
    {
        var added = 0;
        foreach (var values in Of(table))
        {
            var names = string.Join(", ", values.Select(value => value.Name));
            var places = string.Join(", ", values.Select(value => "@" + value.Name));
            added += await transaction.ExecuteAsync($"INSERT INTO {table} ({names}) VALUES ({places}) ON CONFLICT DO NOTHING", cancellationToken, values);
        }

        return added;
    }

    private static IEnumerable<(string Name, object? Value)[]> Of(string table)
    {
        return table switch
        {
            "customers" => Enumerable.Range(1, Customers).Select(Customer),
            "products" => Enumerable.Range(1, Products).Select(Product),
            "orders" => Enumerable.Range(1, Orders).Select(Order),
            _ => Enumerable.Range(1, Orders).SelectMany(order => Enumerable.Range(0, 1 + (order % 3)).Select(line => OrderLine(order, line))),
        };
    }

    private static (string Name, object? Value)[] Customer(int id)
    {
        var name = $"{Towns[(id - 1) % Towns.Length]} {Trades[(id - 1) / Towns.Length]}";
        return [("id", id), ("name", name), ("country", Countries[id % Countries.Length]), ("since", FirstDay.AddDays(-30 * id))];
    }

    private static (string Name, object? Value)[] Product(int id)
    {
        var name = $"{Materials[(id - 1) / Goods.Length]} {Goods[(id - 1) % Goods.Length]}";
        return [("id", id), ("sku", $"P-{id:000}"), ("name", name), ("price", 9.90m + (id * 7.35m))];
    }

    private static (string Name, object? Value)[] Order(int id)
    {
        return [("id", id), ("customer_id", 1 + (id * 7 % Customers)), ("ordered_on", FirstDay.AddDays(id * 3))];
    }

    private static (string Name, object? Value)[] OrderLine(int order, int line)
    {
        return [("order_id", order), ("product_id", 1 + (((order * 5) + (line * 11)) % Products)), ("quantity", 1 + (order * (line + 1) % 6))];
    }
}
