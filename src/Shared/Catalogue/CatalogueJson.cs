using System.Text.Json.Serialization;

namespace TaskPipeline.Shared.Catalogue;

/// <summary>The JSON of which a type's hash is made. By reflection it would cost each process a sixth of its start.</summary>
[JsonSourceGenerationOptions(GenerationMode = JsonSourceGenerationMode.Serialization)]
[JsonSerializable(typeof(TaskType))]
internal sealed partial class CatalogueJson : JsonSerializerContext;
