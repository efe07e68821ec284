"""What a batch changes: duplicates, the bot cap, corrections, and nothing said twice."""

import pytest


def test_a_copy_in_the_same_batch_or_a_later_one_is_a_duplicate(run):
    actor = run("A>B/10", "A#x@0 A#x@0")
    actor.take("A#x@0")
    assert actor.verdicts == ["accepted", "duplicate", "duplicate"]
    assert actor.shown == ["0 1: 0"]


@pytest.mark.parametrize(
    "other",
    [pytest.param("A#x@1", id="another-time"), pytest.param("A#y@0", id="another-id")],
)
def test_the_identity_is_id_and_time(run, other):
    actor = run("A>B/10", f"A#x@0 {other}")
    assert actor.verdicts == ["accepted", "accepted"]


def test_a_copy_is_found_behind_newer_events(run):
    actor = run("A>B/10", "A#x@0 A#y@0 B#z@5 A#w@7")
    actor.take("A#y@0")
    assert actor.verdicts[-1] == "duplicate"


def test_a_duplicate_changes_nothing(run):
    actor = run("A>B/10", "A#x@0")
    assert actor.take("A#x@0") is None


def test_while_an_actor_holds_more_than_the_cap_further_events_are_bot(run):
    actor = run("A>B/10", "A#a@0 A#b@1 A#c@2 A#d@3 B#e@4", bot_cap=2)
    assert actor.verdicts == ["accepted", "accepted", "accepted", "bot", "bot"]
    assert actor.shown == ["0 1: 0"]


def test_tied_events_count_for_the_cap_one_by_one(run):
    assert run("A>B/10", "A#a@0 A#b@0 A#c@0", bot_cap=1).verdicts == ["accepted", "accepted", "bot"]


def test_only_events_at_or_above_the_limit_count_for_the_cap(run):
    actor = run("A>B/10", "A#a@0 A#b@1 A#c@2", bot_cap=1)
    assert actor.verdicts[-1] == "bot"
    actor.take("A#d@5", limit=1)
    assert actor.verdicts[-1] == "accepted"


def test_sealing_early_or_late_gives_the_same_bot_verdict(run):
    sealed, unsealed = (run("A>B/10", "A#a@0 A#b@1", bot_cap=1) for _ in range(2))
    sealed.seal(1)
    for actor in (sealed, unsealed):
        actor.take("A#d@5", limit=1)
    assert sealed.verdicts == unsealed.verdicts == ["accepted", "accepted", "accepted"]


def test_a_copy_is_a_duplicate_before_it_is_a_bot(run):
    assert run("A>B/10", "A#a@0 A#b@1 A#a@0", bot_cap=1).verdicts == ["accepted", "accepted", "duplicate"]


def test_an_out_of_order_event_retracts_and_gives_again(run):
    actor = run("A>B/10", "A@0 B@8")
    assert actor.shown == ["0 2: 0 8"]
    change = actor.take("B#z@3")
    assert [attempt[:2] for attempt in change.taken] == [(0, 2)]
    assert actor.shown == ["0 2: 0 3"]
    assert actor.corrections == 1


def test_an_out_of_order_event_may_take_a_conversion_away(run):
    actor = run("A>B/10", "A#c@5 B#d@5 A#e@20 B#f@21")
    assert actor.shown == ["5 2: 5 5", "20 2: 20 21"]
    actor.take("A#g@1")
    assert actor.shown == ["1 2: 5 5", "20 2: 20 21"]
    assert actor.corrections == 1


def test_deepening_in_order_is_no_correction(run):
    actor = run("A>B>C/10", "A@0 A@3 B@4")
    assert actor.shown == ["0 2: 3 4"]
    assert actor.corrections == 0


def test_an_earlier_first_event_that_leaves_the_attempt_going_is_counted_once(run):
    actor = run("A>B>C/10", "A@5 B@6")
    actor.take("A#z@0")
    assert actor.shown == ["0 2: 5 6"]
    assert actor.corrections == 1


def test_an_earlier_first_time_is_a_correction_although_the_chain_stays(run):
    actor = run("A>B>C/10", "A@0 A@2 B@3")
    actor.take("B@1")
    assert (actor.shown, actor.firsts) == (["0 2: 0 1"], [(0, 1)])
    actor = run("A>B>C/10", "A@0 A@2 B@3 C@4")
    actor.take("B@1")
    assert (actor.shown, actor.firsts, actor.corrections) == (["0 3: 2 3 4"], [(0, 1, 4)], 1)


def test_corrections_do_not_depend_on_where_a_batch_is_cut(run):
    tokens = ["A#a@5", "B#b@6", "A#c@0", "B#d@2", "C#e@1", "C#f@9"]
    together = run("A>B>C/10", " ".join(tokens))
    apart = run("A>B>C/10")
    for token in tokens:
        apart.take(token)
    assert together.corrections == apart.corrections > 0
    assert together.shown == apart.shown


def test_an_event_that_changes_nothing_gives_no_change(run):
    actor = run("A>B>C/10", "A@0 B@1")
    assert actor.take("B#y@2") is None
    assert actor.take("C#z@0") is None


def test_only_the_attempt_that_changed_is_taken_back(run):
    actor = run("A>B/10", "A#a@0 B#b@9 A#c@20 B#d@21 A#e@40 B#f@41")
    change = actor.take("B#g@5")
    assert [attempt[0] for attempt in change.taken] == [0]
    assert [attempt[0] for attempt in change.given] == [0]


def test_an_inserted_attempt_takes_no_other_back(run):
    actor = run("A>B/10", "A#a@0 A#c@40 B#d@41")
    change = actor.take("A#b@20")
    assert change.taken == []
    assert [attempt[:2] for attempt in change.given] == [(20, 1)]
    assert change.corrections == 0


def test_an_event_between_others_with_which_the_attempt_goes_on_is_no_correction(run):
    actor = run("A>B>C/10", "A@0 C@8")
    change = actor.take("B#z@4")
    assert (change.taken, actor.shown, actor.corrections) == ([(0, 1, (0, None), None, None, None)], ["0 3: 0 4 8"], 0)
