"""One writer an object."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pvsched.objects.lines import Lines


class Waiter:
    """Stands in a line; notes when its turn comes."""

    def __init__(self, log: list[str], name: str, begins: bool = True) -> None:
        self.log = log
        self.name = name
        self.begins = begins

    def begin(self) -> bool:
        self.log.append(self.name)
        return self.begins


def test_turns_come_in_order_and_one_at_a_time() -> None:
    """The first begins at once, the others when those before have left."""
    log: list[str] = []
    lines, waiters = Lines(), [Waiter(log, name) for name in "abc"]
    for waiter in waiters:
        lines.join("x", waiter)
    assert (log, lines.waiting("x"), lines.waiting("y")) == (["a"], 2, 0)
    lines.leave("x", waiters[0])
    assert log == ["a", "b"]
    lines.leave("x", waiters[1])
    lines.leave("x", waiters[2])
    assert (log, len(lines)) == (["a", "b", "c"], 0)


def test_names_do_not_wait_for_each_other() -> None:
    """A line is a line of one name."""
    log: list[str] = []
    lines = Lines()
    lines.join("x", Waiter(log, "a"))
    lines.join("y", Waiter(log, "b"))
    assert log == ["a", "b"]


def test_who_leaves_while_waiting_is_never_begun() -> None:
    """A client that has gone takes no turn."""
    log: list[str] = []
    lines, waiters = Lines(), [Waiter(log, name) for name in "abc"]
    for waiter in waiters:
        lines.join("x", waiter)
    lines.leave("x", waiters[1])
    lines.leave("x", waiters[0])
    assert log == ["a", "c"]


def test_a_whole_line_may_end_at_once() -> None:
    """With a full queue each turn ends as it begins, ten thousand of them without deep recursion."""
    log: list[str] = []
    lines, first = Lines(), Waiter(log, "first")
    lines.join("x", first)
    for _ in range(10_000):
        lines.join("x", Waiter(log, "refused", begins=False))
    lines.leave("x", first)
    assert (len(log), len(lines)) == (10_001, 0)


@given(st.lists(st.tuples(st.sampled_from("jl"), st.integers(0, 9), st.booleans()), max_size=60))
def test_nobody_is_lost_and_nobody_begins_twice(steps: list[tuple[str, int, bool]]) -> None:
    """Whatever the order of joining and leaving, each begins at most once and only the first of a line has begun."""
    log: list[str] = []
    lines, standing = Lines(), list[Waiter]()
    for number, (step, place, begins) in enumerate(steps):
        if step == "j":
            waiter = Waiter(log, str(number), begins)
            standing.append(waiter)
            lines.join("x", waiter)
        elif standing:
            lines.leave("x", standing.pop(place % len(standing)))
        standing = [waiter for waiter in standing if waiter.begins or waiter.name not in log]
        assert len(log) == len(set(log))
        assert [waiter.name for waiter in standing if waiter.name in log] == [w.name for w in standing[:1]]
        assert len(lines) == bool(standing)
