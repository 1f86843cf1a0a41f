"""Which devices are due: against a plain dictionary."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from plantkeeper_proxy.agenda import Agenda

steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(1, 6), st.integers(0, 20)),
        st.tuples(st.just("take"), st.integers(0, 20), st.integers(0, 4)),
    ),
    max_size=40,
)


@given(steps)
def test_it_behaves_as_a_dictionary_of_earliest_times(steps: list[tuple[str, int, int]]) -> None:
    agenda, model = Agenda(), dict[int, float]()
    for step, a, b in steps:
        if step == "put":
            agenda.put(a, float(b))
            model[a] = min(float(b), model.get(a, float("inf")))
        else:
            taken = agenda.take(float(a), b)
            due = sorted(due_s for due_s in model.values() if due_s <= a)
            assert [model[device_id] for device_id in taken] == due[:b]
            for device_id in taken:
                del model[device_id]
        assert len(agenda) == len(model)
        assert agenda.next_s() == min(model.values(), default=float("inf"))
