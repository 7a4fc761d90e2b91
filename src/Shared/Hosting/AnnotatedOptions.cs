using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace TaskPipeline.Shared.Hosting;

/// <summary>Validates options by their attributes, with the attributes' own messages. The generated validators replace the messages of ranges.</summary>
public sealed class AnnotatedOptions<T> : IValidateOptions<T> where T : class
{
    public ValidateOptionsResult Validate(string? name, T options)
    {
        var wrong = new List<ValidationResult>();
        return Validator.TryValidateObject(options, new ValidationContext(options), wrong, validateAllProperties: true)
            ? ValidateOptionsResult.Success
            : ValidateOptionsResult.Fail(wrong.Select(result => result.ErrorMessage!));
    }
}

public static class AnnotatedOptionsRegistration
{
    /// <summary>Options of one section of the configuration; an invalid value stops the host at its start.</summary>
    public static IServiceCollection AddAnnotatedOptions<T>(this IServiceCollection services, string section) where T : class
    {
        services.AddOptions<T>().BindConfiguration(section).ValidateOnStart();
        return services.AddSingleton<IValidateOptions<T>, AnnotatedOptions<T>>();
    }
}
