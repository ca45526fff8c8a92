"""Which ways of improving are tried, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.decision.advice_base import Situation
from touchstone.decision.improve_base import WAYS, Circumstances, Prospect
from touchstone.decision.improve_plan import RULES, plan_ways


def planned(**facts: Any) -> dict[str, Prospect]:
    of_situation = {key: facts.pop(key) for key in list(facts) if key in Situation.model_fields}
    known: dict[str, Any] = {"kind": "service", **facts}
    return {one.way: one for one in plan_ways(Circumstances(situation=Situation(**of_situation), **known))}


def tried(found: dict[str, Prospect]) -> list[str]:
    return [way for way, one in found.items() if one.tried]


def test_without_cases_and_documents_there_is_only_the_prompt() -> None:
    """Everything else says what it misses."""
    found = planned(train_cases=0)
    assert tried(found) == ["prompt"]
    assert all(one.rule.endswith(".missing") for way, one in found.items() if way not in ("prompt", "pretrain"))


def test_documents_bring_passages_and_their_company() -> None:
    """With examples at hand both are joined."""
    found = planned(train_cases=50, rests_on_documents=True, facts_change_days=30)
    assert tried(found) == ["prompt", "baseline", "few_shot", "rag", "few_shot+rag"]
    assert "every 30 days" in found["rag"].reason.text()


def test_facts_that_change_often_are_not_trained() -> None:
    """Even with much data; asked for, it is tried all the same."""
    facts: dict[str, Any] = {
        "kind": "weights",
        "can_train": True,
        "train_cases": 5_000,
        "rests_on_documents": True,
        "facts_change_days": 30,
    }
    found = planned(**facts)
    assert (found["fine_tune"].rule, found["fine_tune+rag"].tried) == ("tune.restless", False)
    wanted = planned(**facts, asked=frozenset({"fine_tune"}))
    assert (wanted["fine_tune"].rule, wanted["fine_tune+rag"].tried) == ("asked", True)


def test_no_wish_brings_what_is_missing() -> None:
    """Documents, weights, a library: nobody can ask them into being."""
    found = planned(train_cases=5_000, asked=frozenset(WAYS))
    assert [way for way in ("rag", "fine_tune", "pretrain") if found[way].tried] == []
    assert "touchstone[train]" in found["pretrain"].reason.text()


def test_only_what_is_named_is_tried() -> None:
    """
    The others say that nobody asked; parts of a joined way need not be named. The model as it is needs no naming, since
    the others are held against it.
    """
    found = planned(train_cases=50, rests_on_documents=True, asked=frozenset({"few_shot+rag"}), only=True)
    assert tried(found) == ["prompt", "few_shot+rag"]
    assert found["rag"].rule == "not-asked"


@pytest.mark.parametrize(
    ("facts", "rule"),
    [
        ({"kind": "starter", "dev_cases": 50}, "search.starter"),
        ({"dev_cases": 5}, "search.few-cases"),
        ({"dev_cases": 50, "search_usd": 3.0, "budget_usd": 2.0}, "search.budget"),
        ({"dev_cases": 50, "search_usd": 1.0, "budget_usd": 2.0}, "search.tune"),
        ({}, "search.missing"),
    ],
)
def test_a_prompt_is_searched_where_that_can_tell(facts: dict[str, Any], rule: str) -> None:
    """Enough cases to tune on, a model that follows words, and the money."""
    assert planned(**facts)["prompt_search"].rule == rule


@pytest.mark.parametrize(
    ("facts", "rule"),
    [
        ({"kind": "weights", "can_train": True, "train_cases": 600}, "tune.enough"),
        ({"kind": "weights", "can_train": True, "train_cases": 100}, "tune.not-enough"),
        ({"kind": "weights", "can_train": True, "train_cases": 100, "answer_kind": "json"}, "tune.enough"),
        ({"kind": "weights", "can_train": True, "train_cases": 5}, "tune.few-cases"),
        ({"kind": "weights", "can_train": False, "train_cases": 600}, "tune.missing"),
        ({"kind": "service", "train_cases": 600}, "tune.missing"),
        ({"kind": "service", "service_tunes": True, "train_cases": 600}, "tune.enough"),
        ({"kind": "starter", "stored_fine_tune": True}, "tune.stored"),
    ],
)
def test_training_asks_for_weights_data_and_a_library(facts: dict[str, Any], rule: str) -> None:
    """What lies ready is measured whatever else is missing."""
    assert planned(**facts)["fine_tune"].rule == rule


@pytest.mark.parametrize(
    ("facts", "rule"),
    [
        ({"train_cases": 600, "fixed_labels": True}, "pretrain.labels"),
        ({"train_cases": 100, "fixed_labels": True}, "pretrain.not-enough"),
        ({"train_cases": 600}, "pretrain.writes"),
    ],
)
def test_training_from_nothing_is_for_labels(facts: dict[str, Any], rule: str) -> None:
    """A model that writes would need far more text than cases hold."""
    assert planned(**facts, can_train=True)["pretrain"].rule == rule


def test_every_rule_is_explained_in_the_guide() -> None:
    """Under its id, so that whoever reads one behind a sentence can look it up."""
    guide = (Path(__file__).parents[2] / "docs/guide/improve.md").read_text(encoding="utf-8")
    assert [rule for rule in RULES if f"`{rule}`" not in guide] == []


@given(
    st.fixed_dictionaries(
        {
            "train_cases": st.none() | st.integers(0, 2_000),
            "fixed_labels": st.booleans(),
            "rests_on_documents": st.booleans(),
            "answer_kind": st.sampled_from(["label", "text", "json"]),
            "dev_cases": st.integers(0, 60),
            "facts_change_days": st.none() | st.floats(1, 400),
            "kind": st.sampled_from(["starter", "weights", "service"]),
            "can_train": st.booleans(),
            "stored_fine_tune": st.booleans(),
            "only": st.booleans(),
            "asked": st.frozensets(st.sampled_from(WAYS)),
        }
    )
)
def test_every_way_is_judged_once_by_a_rule_of_the_guide(facts: dict[str, Any]) -> None:
    """With a sentence that can be said; what is asked for is tried unless something is missing."""
    found = planned(**facts)
    assert tuple(found) == WAYS
    for way, one in found.items():
        assert one.rule in RULES
        assert one.reason.text()
        if way in facts["asked"]:
            assert one.tried or one.rule.endswith(".missing")
        elif facts["only"]:
            assert one.tried == (way == "prompt")
