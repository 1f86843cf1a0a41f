"""News for forwarders: every device is told of, the first at once, the others together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from plantkeeper_proxy.news import KEPT, MUCH, News, Telling


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_the_first_news_say_nothing_but_look_for_yourself() -> None:
    news = News(Clock())
    news.owe([7])
    telling = news.telling()
    assert telling is not None
    assert telling.payload == ""  # a gateway that died may have owed more
    news.told(telling)
    assert news.due_in_s is None
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


def test_much_is_told_at_once() -> None:
    news = News(Clock(), spacing_s=3600.0)
    assert told_in_turn(news) == [""]
    news.owe(range(MUCH - 1))
    assert told_in_turn(news) == []
    news.owe([MUCH])
    [payload] = told_in_turn(news)
    assert len(payload.split(",")) == MUCH


def told_in_turn(news: News) -> list[str]:
    payloads: list[str] = []
    while (telling := news.telling()) is not None:
        payloads.append(telling.payload)
        news.told(telling)
    return payloads


def test_many_are_named_in_several_notifications() -> None:
    news = News(Clock(), spacing_s=0.0)
    assert told_in_turn(news) == [""]
    devices = set(range(1_000_000_000, 1_000_000_000 + 2000))
    news.owe(devices)
    payloads = told_in_turn(news)
    assert len(payloads) == 3
    assert all(0 < len(payload) < 8000 for payload in payloads)
    named = [int(number) for payload in payloads for number in payload.split(",")]
    assert len(named) == len(devices)
    assert set(named) == devices


def test_too_many_to_keep_are_not_kept() -> None:
    news = News(Clock(), spacing_s=0.0)
    assert told_in_turn(news) == [""]
    news.owe(range(KEPT + 1))
    before = news.telling()
    assert before is not None
    assert (before.payload, before.devices) == ("", frozenset())
    news.owe(range(KEPT + 1))  # once more, while it is on its way
    news.told(before)
    assert told_in_turn(news) == [""]


steps = st.one_of(
    st.tuples(st.just("owe"), st.sets(st.integers(1, 20))),
    st.tuples(st.just("tell"), st.none()),
    st.tuples(st.just("committed"), st.integers(0, 3)),
    st.tuples(st.just("failed"), st.integers(0, 3)),
    st.tuples(st.just("wait"), st.floats(0, 0.1)),
)


@given(st.lists(steps, max_size=40))
def test_nobody_is_forgotten_however_many_tellings_are_on_their_way(history: list[tuple[str, object]]) -> None:
    """Against a model: a device is told of by what was made after its latest reading, once that is committed."""
    clock = Clock()
    news = News(clock, spacing_s=0.05)
    owed: dict[int, int] = {}
    under_way: list[tuple[int, Telling]] = []
    committed_at_s: list[float] = []
    for moment, (step, value) in enumerate(history):
        match step, value:
            case "owe", set():
                owed |= dict.fromkeys(value, moment)
                news.owe(value)
            case "wait", float():
                clock.now_s += value
            case "tell", _:
                telling = news.telling()
                if telling is None:
                    assert committed_at_s
                    assert len(owed) < MUCH
                    assert not owed or clock.now_s - committed_at_s[-1] < 0.05
                    continue
                assert telling.devices == owed.keys()
                assert telling.payload == "" or set(map(int, telling.payload.split(","))) == owed.keys()
                assert bool(telling.payload) is bool(committed_at_s)
                under_way.append((moment, telling))
            case (("committed" | "failed"), int()) if value < len(under_way):
                made, telling = under_way.pop(value)
                if step == "committed":
                    news.told(telling)
                    committed_at_s.append(clock.now_s)
                    owed = {one: at for one, at in owed.items() if at > made or one not in telling.devices}
        assert (news.due_in_s is None) is (not owed and bool(committed_at_s))
    clock.now_s += 1.0
    last = news.telling()
    assert (last.devices if last else set()) == owed.keys()
