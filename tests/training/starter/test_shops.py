"""Invented shops: every fact can be read in its passage, and none contradicts another."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.training.starter.base import Shop
from touchstone.training.starter.names import Draw
from touchstone.training.starter.prose import bare
from touchstone.training.starter.shops import invent_shop


def shop(seed: int) -> Shop:
    return invent_shop(Draw(Random(seed)))


@given(st.integers(0, 100_000))
@settings(max_examples=150, deadline=None)
def test_every_fact_stands_in_its_passage(seed: int) -> None:
    """Its value word for word, so that it can be read there; yes and no are said by a sentence."""
    for passage in shop(seed).passages:
        assert passage.facts
        for fact in passage.facts:
            if fact.attribute.kind != "yes_no":
                assert fact.value.lower() in passage.text.lower(), (fact.value, passage.text)
            elif fact.value == "no":
                assert any(word in passage.text for word in (" not ", " no ", " without ", " outside", " closed")), (
                    passage.text
                )


@given(st.integers(0, 100_000))
@settings(max_examples=150, deadline=None)
def test_no_two_facts_of_a_shop_contradict(seed: int) -> None:
    """Each attribute of each subject is stated once."""
    facts = shop(seed).facts
    assert len({fact.key for fact in facts}) == len(facts)


@given(st.integers(0, 100_000))
@settings(max_examples=150, deadline=None)
def test_no_two_subjects_share_a_name(seed: int) -> None:
    """So that the shortest name still says which one is meant."""
    subjects = {id(fact.subject): fact.subject for fact in shop(seed).facts if fact.subject.kind != "shop"}
    shortest = [subject.town or subject.forms[-1] for subject in subjects.values()]
    assert len(set(shortest)) == len(shortest)


@given(st.integers(0, 100_000))
@settings(max_examples=150, deadline=None)
def test_every_subject_is_named_in_its_passage(seed: int) -> None:
    """Before any pronoun stands for it, in one of its names."""
    for passage in shop(seed).passages:
        for fact in passage.facts:
            names = [bare(name).lower() for name in fact.subject.forms] + [fact.subject.town.lower()]
            assert any(name and name in passage.text.lower() for name in names) or fact.subject.kind == "shop"


def test_passages_have_many_shapes() -> None:
    """One to many facts, of one subject and of several, with pronouns, lists and lines."""
    passages = [passage for seed in range(120) for passage in shop(seed).passages]
    texts = " ".join(passage.text for passage in passages)
    assert {len(passage.facts) for passage in passages} >= {1, 2, 3, 4, 5}
    assert {len({id(fact.subject) for fact in passage.facts}) for passage in passages} >= {1, 2, 3}
    for sign in (" It ", " Its ", " there ", "\n- ", "; ", " both ", ", and it "):
        assert sign in texts, sign
