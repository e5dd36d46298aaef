"""What can be settled for a queue, and how it is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcqueue.core.rules import MOST_RUNNING, NO_LIMIT, RULES, Policy, QueueRules
from qcqueue.text.fields import InvalidValue

some_rules = st.builds(
    QueueRules, policy=st.sampled_from(Policy), max_running=st.one_of(st.none(), st.integers(1, MOST_RUNNING))
)


@given(some_rules)
def test_rules_are_read_as_they_are_written(rules: QueueRules) -> None:
    read = QueueRules()
    for name in RULES:
        read = read.with_rule(name, rules.text_of(name))
        assert rules.says(name)
    assert read == rules


def test_where_nobody_has_settled_anything_the_shortest_goes_first_without_a_limit() -> None:
    assert QueueRules() == QueueRules(policy=Policy.SHORTEST, max_running=None)


@given(st.sampled_from([*RULES]), st.text())
def test_any_other_text_is_refused_in_one_line(name: str, text: str) -> None:
    try:
        rules = QueueRules().with_rule(name, text)
    except InvalidValue as exc:
        refusal = str(exc)
    else:
        assert rules.text_of(name) == text or int(text) == rules.max_running
        return
    assert refusal.isprintable()
    assert "allowed" in refusal


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "two", "", "٣", "1e3", "9" * 5000, str(MOST_RUNNING * 10), "None"])
def test_a_limit_is_a_number_from_one(text: str) -> None:
    with pytest.raises(InvalidValue, match=f"a whole number from 1 to 1,000,000, or {NO_LIMIT}"):
        QueueRules().with_rule("max_running", text)
