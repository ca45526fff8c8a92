"""Precision, recall and false positives of the rules; a rule that became worse turns these tests red."""

from __future__ import annotations

from datetime import date

import pytest

from touchstone.deployment.safety.evaluate import Evaluation, evaluate
from touchstone.deployment.safety.labelled import labelled_texts


@pytest.fixture(scope="module")
def measured() -> Evaluation:
    return evaluate(date(2026, 11, 27))


def test_every_rule_is_measured_on_both_halves(measured: Evaluation) -> None:
    """Counts add up to the texts of a half, and intervals hold their shares."""
    texts = labelled_texts()
    for one in measured.measures:
        assert one.half in {"tuned", "apart"}
        for share in (one.precision, one.recall, one.false_positives):
            assert share is None or (0 <= share.low <= share.value <= share.high <= 1 and share.part <= share.of)
        if one.rule.startswith("pii."):
            assert one.recall is not None
            assert one.false_positives is not None
            half = sum(text.half == one.half for text in texts)
            assert one.recall.of + one.false_positives.of == half
            assert len(one.missed) == one.recall.of - one.recall.part
            assert len(one.wrong) == one.false_positives.part
    assert len({(one.rule, one.half) for one in measured.measures}) == len(measured.measures) == 30


def test_the_rules_are_as_good_as_the_guide_says(measured: Evaluation) -> None:
    """Floors below what `docs/guide/safety.md` reports."""
    by = {(one.rule, one.half): one for one in measured.measures}
    for half, recall, false in (("tuned", 0.9, 0.01), ("apart", APART_RECALL, APART_FALSE)):
        injection = by["injection", half]
        assert injection.recall is not None
        assert injection.false_positives is not None
        assert injection.recall.value >= recall
        assert injection.false_positives.value <= false
        masks = by["masks", half].recall
        assert masks is not None
        assert masks.value >= 0.95


APART_RECALL, APART_FALSE = 0.55, 0.05
