using TaskPipeline.Bench.Chaos.Checking;
using Xunit;

namespace TaskPipeline.Tests.Chaos;

/// <summary>A checker that cannot fail proves nothing: here it finds what is wrong in stories made for it, and nothing in those that are right.</summary>
public sealed class CheckerTests
{
    private static Story Lane => new Story().Barrier(1);

    [Fact]
    public void A_task_that_runs_and_ends_is_right() =>
        Right(Lane.Starting(1).Line(1, 1).Line(1, 2).Exited(1, lines: 2).Ended(1, attempts: "exit_code"));

    [Fact]
    public void A_task_that_is_stopped_before_it_starts_is_right() => Right(Lane.StopAsked().Ended(0, "stopped", null, "user_request"));

    [Fact]
    public void A_task_that_is_to_fail_and_does_is_right() => Right(new Story("failing").Barrier(1).Starting(1).Exited(1, 3).Ended(1, "failed", 3, attempts: "exit_code"));

    [Fact]
    public void An_attempt_that_is_lost_with_its_worker_is_followed_by_another() =>
        Right(Lane.Starting(1).Line(1, 1).Barrier(2, "b").Starting(2).Exited(2).Ended(2, attempts: ["worker_lost", "exit_code"]));

    [Fact]
    public void An_attempt_that_is_given_back_is_not_charged() =>
        Right(Lane.Starting(1).Abandoned(1).Starting(2).Abandoned(2).Starting(3).Exited(3).Ended(3, attempts: ["worker_shutdown", "worker_shutdown", "exit_code"]));

    [Fact]
    public void What_a_zombie_writes_behind_the_barrier_does_not_count() =>
        Right(Lane.Starting(1).Barrier(2, "b").By(1).Line(1, 1).Exited(1).By(2, "b").Starting(2).Exited(2).Ended(2, attempts: ["worker_lost", "exit_code"]));

    [Fact]
    public void An_attempt_that_a_barrier_keeps_goes_on() =>
        Right(Lane.Starting(1).Line(1, 1).Barrier(2, "b", keeps: 1).By(1).Line(1, 2).Exited(1, lines: 2).By(2, "b").Ended(1, attempts: "exit_code"));

    [Fact]
    public void An_owner_may_drop_what_it_kept() =>
        Right(Lane.Starting(1).Barrier(2, "b", keeps: 1).Barrier(2, "b").By(1).Exited(1).By(2, "b").Starting(2).Exited(2).Ended(2, attempts: ["worker_lost", "exit_code"]));

    [Fact]
    public void A_barrier_of_a_lower_epoch_is_void() =>
        Right(new Story().Barrier(2, "b").Starting(1).Barrier(1).By(2, "b").Exited(1).Ended(1, attempts: "exit_code"));

    [Fact]
    public void Doubles_of_lines_and_starts_are_passed_over() =>
        Right(Lane.Starting(1).Starting(1).Line(1, 1).Line(1, 1).Exited(1, lines: 1).Exited(1, lines: 1).Ended(1, attempts: "exit_code"));

    [Fact]
    public void A_failed_attempt_may_be_followed_by_another() =>
        Right(Lane.Starting(1).Exited(1, exitCode: 75).Starting(2).Exited(2).Ended(2, attempts: ["exit_code", "exit_code"]));

    [Fact]
    public void A_task_without_end_is_lost() => Wrong(Violation.Lost, Lane.Starting(1).Exited(1));

    [Fact]
    public void A_task_that_was_accepted_and_is_nowhere_is_lost() => Wrong(Violation.Lost, new Story());

    [Fact]
    public void A_second_end_in_the_log_is_found() =>
        Wrong(Violation.EndedTwice, Lane.Starting(1).Exited(1).EndedInLog(1).Ended(1, attempts: "exit_code"));

    [Fact]
    public void A_second_end_in_the_state_is_found() =>
        Wrong(Violation.EndedTwice, Lane.Starting(1).Exited(1).Ended(1, attempts: "exit_code").EndedInState("succeeded", "exit_code"));

    [Fact]
    public void A_task_that_fails_and_should_not_is_found() => Wrong(Violation.WrongEnd, Lane.Ended(0, "failed", null, "spawn_failed"));

    [Fact]
    public void A_task_that_is_stopped_and_nobody_asked_for_it_is_found() => Wrong(Violation.WrongEnd, Lane.Ended(0, "stopped", null, "user_request"));

    [Fact]
    public void An_end_before_its_outcome_is_found() =>
        Wrong(Violation.EndWithoutOutcome, Lane.Starting(1).EndedInLog(1).Exited(1).EndedInState("succeeded", "exit_code"));

    [Fact]
    public void An_end_on_a_zombies_word_is_found() =>
        Wrong(Violation.EndWithoutOutcome, Lane.Starting(1).Barrier(2, "b").By(1).Exited(1).Ended(1, attempts: "worker_lost"));

    [Fact]
    public void An_end_that_says_other_than_the_outcome_is_found() =>
        Wrong(Violation.EndWithoutOutcome, Lane.Starting(1).Exited(1, exitCode: 3).Ended(1, attempts: "exit_code"));

    [Fact]
    public void An_end_that_stands_only_in_the_log_is_found() => Wrong(Violation.EndWithoutOutcome, Lane.Starting(1).Exited(1).EndedInLog(1));

    [Fact]
    public void An_end_that_stands_only_in_the_state_is_found() => Wrong(Violation.EndWithoutOutcome, Lane.Starting(1).Exited(1).EndedInState("succeeded", "exit_code"));

    [Fact]
    public void Log_and_state_that_disagree_are_found() =>
        Wrong(Violation.EndWithoutOutcome, Lane.Starting(1).Exited(1).EndedInLog(1).EndedInState("stopped", "exit_code").StopAsked());

    [Theory]
    [InlineData("exit_code", 0, "succeeded")]
    [InlineData("user_request", 143, "stopped")]
    public void An_agent_that_is_run_again_after_an_outcome_for_good_is_found(string reason, int exitCode, string status) =>
        Wrong(Violation.RerunAfterOutcome,
            Lane.StopAsked().Starting(1).Exited(1, exitCode, reason).Barrier(2, "b").Starting(2).Exited(2, exitCode, reason).Ended(2, status, exitCode, reason, reason, reason));

    [Fact]
    public void An_agent_that_is_run_again_after_its_end_is_found() =>
        Wrong(Violation.RerunAfterOutcome, new Story("failing").Barrier(1).Starting(1).Exited(1, exitCode: 3).Ended(1, "failed", 3, attempts: ["exit_code", "worker_lost"]).Starting(2).Barrier(2));

    [Fact]
    public void An_attempt_that_was_left_out_is_found() =>
        Wrong(Violation.WrongAttempts, Lane.Starting(1).Exited(1, exitCode: 75).Starting(3).Exited(3).Ended(3, attempts: ["exit_code", "exit_code"]));

    [Fact]
    public void An_attempt_that_never_started_is_found() => Wrong(Violation.WrongAttempts, Lane.Line(1, 1).StopAsked().Ended(0, "stopped", null, "user_request"));

    [Fact]
    public void A_lost_attempt_that_the_state_does_not_know_is_found() =>
        Wrong(Violation.WrongAttempts, Lane.Starting(1).Barrier(2, "b").Starting(2).Exited(2).Ended(2, attempts: ["exit_code", "exit_code"]));

    [Fact]
    public void More_attempts_than_the_type_allows_are_found() =>
        Wrong(Violation.WrongAttempts, Lane.Starting(1).Exited(1, 75).Starting(2).Exited(2, 75).Starting(3).Exited(3).Ended(3, attempts: ["exit_code", "exit_code", "exit_code"]));

    [Fact]
    public void A_line_that_is_missing_in_the_log_is_found() =>
        Wrong(Violation.LinesMissing, Lane.Starting(1).Line(1, 1).Line(1, 3).Exited(1, lines: 3, hash: Story.HashOf(["x", "x"])).Ended(1, attempts: "exit_code"));

    [Fact]
    public void A_line_with_another_text_is_found() =>
        Wrong(Violation.LinesMissing, Lane.Starting(1).Line(1, 1, "y").Exited(1, lines: 1).Ended(1, attempts: "exit_code"));

    [Fact]
    public void A_watcher_that_has_everything_is_right() =>
        Right(Ended(lines: 2).Seen(Hello, Seen(1), Hello, Seen(2), End(lines: 2)));

    [Fact]
    public void A_watcher_that_misses_a_line_is_found() => Wrong(Violation.LinesMissing, Ended(lines: 2).Seen(Hello, Seen(1), End(lines: 2)));

    [Fact]
    public void A_watcher_that_gets_a_line_twice_is_found() => Wrong(Violation.LinesMissing, Ended(lines: 1).Seen(Seen(1), Seen(1), End(lines: 1)));

    [Fact]
    public void A_watcher_that_gets_another_text_is_found() => Wrong(Violation.LinesMissing, Ended(lines: 1).Seen(new { type = "lines", attempt = 1, lines = Story.Lines(1, "y") }, End(lines: 1)));

    [Fact]
    public void A_watcher_without_end_is_found() => Wrong(Violation.LinesMissing, Ended(lines: 1).Seen(Seen(1)));

    [Fact]
    public void A_watcher_with_two_ends_is_found() => Wrong(Violation.LinesMissing, Ended(lines: 1).Seen(Seen(1), End(lines: 1), End(lines: 1)));

    [Fact]
    public void A_watcher_that_was_told_of_a_gap_is_found() => Wrong(Violation.LinesMissing, Ended(lines: 0).Seen(new { type = "gap", attempt = 1, from = 1, to = 2 }, End(lines: 0)));

    [Fact]
    public void Agents_one_after_the_other_are_right() =>
        Right(Ended(lines: 0).Mark(1, true, 10).Mark(1, false, 20).Mark(2, true, 30).Mark(2, false, 40).Mark(1, true, 15, "task-u", task: "u"));

    [Fact]
    public void Agents_that_hold_nothing_may_run_at_once() =>
        Right(Ended(lines: 0).Mark(1, true, 10, null).Mark(2, true, 15, null).Mark(1, false, 20, null).Mark(2, false, 40, null));

    [Fact]
    public void An_agent_that_was_killed_holds_nothing_any_more() => Right(Ended(lines: 0).Mark(1, true, 10).Mark(2, true, 30).Mark(2, false, 40));

    [Fact]
    public void An_agent_that_finds_the_lock_held_is_found() => Wrong(Violation.Overlap, Ended(lines: 0).Mark(1, true, 10).Mark(2, true, 30, isHeld: true));

    [Fact]
    public void Agents_whose_times_overlap_are_found() => Wrong(Violation.Overlap, Ended(lines: 0).Mark(1, true, 10).Mark(2, true, 15).Mark(1, false, 20).Mark(2, false, 40));

    [Fact]
    public void Two_tasks_that_exclude_each_other_and_do_not_are_found() =>
        Wrong(Violation.Overlap, Ended(lines: 0).Mark(1, true, 10, "project-p", task: "u").Mark(1, true, 15, "project-p").Mark(1, false, 20, "project-p", task: "u"));

    [Fact]
    public void A_process_that_was_left_is_found()
    {
        var story = Ended(lines: 0);
        story.Left.Add("4711: sleep 1000");
        Wrong(Violation.ProcessLeft, story);
    }

    private static object Hello => new { type = "hello" };

    private static object Seen(int seq) => new { type = "lines", attempt = 1, lines = Story.Lines(seq) };

    private static object End(int lines) => new { type = "end", attempt = 1, lines, hash = Story.HashOf(Enumerable.Repeat("x", lines)) };

    private static Story Ended(int lines)
    {
        var story = Lane.Starting(1);
        for (var seq = 1; seq <= lines; seq++)
            story.Line(1, seq);
        return story.Exited(1, lines: lines).Ended(1, attempts: "exit_code");
    }

    private static void Right(Story story) => Assert.Empty(story.Check());

    private static void Wrong(Violation violation, Story story) => Assert.Equal([violation], story.Check().Select(finding => finding.Violation).Distinct());
}
