"""News for forwarders: every device is told of, the first at once, the others together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from plantkeeper_proxy.news import NAMED_AT_MOST, News


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_the_first_news_say_nothing_but_look_for_yourself() -> None:
    news = News(Clock())
    assert news.telling() is None
    assert news.due_in_s is None
    news.owe([7])
    telling = news.telling()
    assert telling is not None
    assert telling.payload == ""  # a gateway that died may have owed more
    news.told(telling)
    assert news.telling(at_once=True) is None


def test_what_follows_shortly_after_is_told_together() -> None:
    clock = Clock()
    news = News(clock, spacing_s=0.05)
    news.owe([1])
    first = news.telling()
    assert first is not None
    news.told(first)
    clock.now_s += 0.02
    news.owe([2, 3, 2])
    assert news.telling() is None
    assert news.due_in_s is not None
    assert round(news.due_in_s, 6) == 0.03
    at_once = news.telling(at_once=True)
    clock.now_s += 0.031
    second = news.telling()
    assert second is not None
    assert second == at_once
    assert sorted(second.payload.split(",")) == ["2", "3"]


def test_too_many_to_name_are_not_named() -> None:
    news = News(Clock(), spacing_s=0.0)
    for devices, named in ((range(1), False), (range(NAMED_AT_MOST), True), (range(NAMED_AT_MOST + 1), False)):
        news.owe(devices)
        telling = news.telling()
        assert telling is not None
        assert bool(telling.payload) is named
        assert len(telling.payload) < 8000
        news.told(telling)


steps = st.one_of(
    st.tuples(st.just("owe"), st.sets(st.integers(1, 9))),
    st.tuples(st.just("tell"), st.booleans()),  # whether it is committed
    st.tuples(st.just("wait"), st.floats(0, 0.1)),
)


@given(st.lists(steps, max_size=30))
def test_nobody_is_forgotten_and_the_distance_is_kept(history: list[tuple[str, object]]) -> None:
    clock = Clock()
    news = News(clock, spacing_s=0.05)
    owed: set[int] = set()
    told_at_s: list[float] = []
    for step, value in history:
        match step, value:
            case "owe", set():
                owed |= value
                news.owe(value)
            case "wait", float():
                clock.now_s += value
            case "tell", committed:
                telling = news.telling()
                if telling is None:
                    assert not owed or clock.now_s - told_at_s[-1] < 0.05
                    continue
                assert telling.devices == owed
                assert not told_at_s or telling.payload == "" or set(map(int, telling.payload.split(","))) == owed
                if committed:
                    news.told(telling)
                    assert not told_at_s or clock.now_s - told_at_s[-1] > 0.05 - 1e-9
                    told_at_s.append(clock.now_s)
                    owed.clear()
        assert (news.due_in_s is None) is not bool(owed)
