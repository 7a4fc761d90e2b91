using System.ComponentModel.DataAnnotations;

namespace TaskPipeline.Shared.Catalogue;

public sealed class CatalogueOptions
{
    public const string Section = "Catalogue";

    /// <summary>The catalogue of task types, YAML or JSON; read again when it changes.</summary>
    [Required(ErrorMessage = "Catalogue:File is missing: set the path of the file with the task types")]
    public string File { get; set; } = "task-types.yaml";
}
