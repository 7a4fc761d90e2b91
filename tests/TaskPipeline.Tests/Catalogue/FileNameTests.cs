using TaskPipeline.Shared.Tasks;
using Xunit;

namespace TaskPipeline.Tests.Catalogue;

public sealed class FileNameTests
{
    [Theory]
    [InlineData("Q1 book.xlsx")]
    [InlineData("report (1).pdf")]
    [InlineData("Ada's notes, v2 [final] & more.txt")]
    [InlineData("re\u0301sume\u0301.doc")]                 // é as two characters, as macOS writes it
    [InlineData("हिन्दी रिपोर्ट.xlsx")]
    [InlineData("รายงาน.pdf")]
    [InlineData("تَقْرِير.pdf")]
    [InlineData("نامه\u200cها.txt")]
    [InlineData("𠮷野家「資料」.xlsx")]
    [InlineData("📊 sales – Q1 “new”.csv")]
    [InlineData("100% #1 @home +1 a=b ~x!.txt")]
    [InlineData("_a")]
    public void Names_of_any_script_are_taken_and_come_back_from_a_reference(string name)
    {
        Assert.True(FileReference.IsName(name));
        var reference = new FileReference(Guid.CreateVersion7(), 1, 2, 3, 4, new string('0', 64), name);
        Assert.Equal(reference, FileReference.Parse(reference.ToString()));
    }

    [Theory]
    [InlineData("")]
    [InlineData(".hidden")]
    [InlineData("..")]
    [InlineData("-rf")]
    [InlineData("–rf")]
    [InlineData(" a")]
    [InlineData("\u0301a")]
    [InlineData("a/b")]
    [InlineData("a\\b")]
    [InlineData("a:b")]
    [InlineData("a\"b")]
    [InlineData("a$b")]
    [InlineData("a`b")]
    [InlineData("a|b")]
    [InlineData("a\nb")]
    [InlineData("a\0b")]
    [InlineData("a\u202egpj.exe")]
    [InlineData("a\ud800")]
    [InlineData("a\ufffd")]
    public void Others_are_not(string name) => Assert.False(FileReference.IsName(name));

    [Fact]
    public void A_name_may_be_as_long_as_file_systems_take()
    {
        Assert.True(FileReference.IsName(new string('a', 100)));
        Assert.False(FileReference.IsName(new string('a', 101)));
        Assert.True(FileReference.IsName(new string('字', 85)));    // 255 bytes
        Assert.False(FileReference.IsName(new string('字', 86)));
    }
}
