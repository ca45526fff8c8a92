"""Making scorers from a task file, and the self-test of all of them."""

from __future__ import annotations

import json
import random

import pytest

from touchstone import plugins
from touchstone.data.base import Case
from touchstone.errors import SettingsError, UnknownName, UserError
from touchstone.models.base import Completion, TextPart
from touchstone.scoring.base import AnswerSpec, Reading, Scorer
from touchstone.scoring.make import default_scorers, make_scorer
from touchstone.scoring.reading import make_reader


@pytest.mark.parametrize(
    ("spec", "attributes"),
    [
        ("exact", {"ignore_case": False}),
        ({"exact": None}, {"ignore_case": False}),
        ({"exact": {"ignore_case": True}}, {"ignore_case": True}),
        ({"regex": "a+"}, {"pattern": "a+"}),
        ({"regex": {"pattern": "a+", "full": True}}, {"full": True}),
        ({"scorer": "regex", "pattern": "a+"}, {"pattern": "a+"}),
        ({"name": "number", "abs_tol": 1}, {"abs_tol": 1.0}),
        ({"contains": ["a", "b"]}, {"text": ["a", "b"]}),
        ({"rouge": {"variant": 1}}, {"variant": "1"}),
    ],
)
def test_every_form_of_a_scorer_is_understood(spec: object, attributes: dict[str, object]) -> None:
    """A name, a name with parameters, or a name with its first parameter."""
    scorer = make_scorer(spec)
    assert isinstance(scorer, Scorer)
    assert {name: getattr(scorer, name) for name in attributes} == attributes


@pytest.mark.parametrize(
    ("spec", "hint"),
    [
        ("exakt", "exact"),
        ({"regexp": "x"}, "regex"),
        ({"regex": {"patern": "x"}}, "pattern"),
        ({"regex": {}}, "pattern"),
        ({"regex": "("}, "RE2"),
        ({"number": {"abs_tol": "wide"}}, "abs_tol"),
        ({"length": {"unit": "lines"}}, "unit"),
        ({"label": 3}, "no parameters"),
        ({"judge": {"rubric": "Good?", "model": "a/b"}}, "model"),
        ({"exact": 1, "label": 2}, "exact"),
        (3, "name"),
    ],
)
def test_a_spec_that_cannot_work_names_the_remedy(spec: object, hint: str) -> None:
    """Unknown names and unusable parameters are refused with the closest that would do."""
    with pytest.raises(UserError, match=hint):
        make_scorer(spec)


def test_the_kinds_have_their_scorers() -> None:
    """Every kind but free text has a scorer of its own, and each of them exists."""
    for kind in ("label", "choice", "number", "text", "json"):
        for name in default_scorers(kind):
            assert make_scorer(name).needs_target
    assert default_scorers("free") == ()


def test_unknown_scorers_are_unknown_names() -> None:
    """The error is the one all plug-ins share."""
    with pytest.raises(UnknownName):
        make_scorer("rogue")
    with pytest.raises(SettingsError):
        make_scorer({})


SENTENCES = [
    f"{who} {does} {what} {where}."
    for who, does in (("Ann", "paints"), ("Bob", "sells"), ("Cem", "mends"), ("Dai", "washes"), ("Eva", "counts"))
    for what, where in (
        ("the boats", "in Lyon"),
        ("kites", "near Oslo"),
        ("old lamps", "by Cairo"),
        ("coats", "at Lima"),
    )
]
GOLD: dict[str, tuple[str, list[str], dict[str, object]]] = {
    "exact": ("text", SENTENCES, {}),
    "label": ("label", [f"label_{n}" for n in range(20)], {}),
    "choice": ("choice", list("ABCDEFGHIJ") * 2, {}),
    "number": ("number", [str(n * 7 - 30) for n in range(20)], {}),
    "squad_f1": ("text", SENTENCES, {}),
    "squad_em": ("text", SENTENCES, {}),
    "contains": ("text", SENTENCES, {}),
    "json_fields": ("json", [json.dumps({"n": n, "word": f"w{n}"}) for n in range(20)], {}),
    "rouge": ("text", SENTENCES, {}),
    "bleu": ("text", SENTENCES, {}),
    "chrf": ("text", SENTENCES, {}),
    "regex": ("text", SENTENCES, {"pattern": r"\w+s \w+"}),
    "json_valid": ("json", ['{"n": 1}'], {}),
    "json_schema": ("json", ['{"n": 1}'], {"schema": {"type": "object"}}),
    "length": ("text", SENTENCES, {"maximum": 10}),
    "refusal": ("text", SENTENCES, {}),
}
CHANCE = {
    "exact": 0.15,
    "label": 0.15,
    "choice": 0.25,
    "number": 0.15,
    "squad_em": 0.15,
    "contains": 0.15,
    "json_fields": 0.15,
    "bleu": 0.5,
    "rouge": 0.5,
    "squad_f1": 0.5,
    "chrf": 0.6,
}


async def mean(name: str, kind: str, pairs: list[tuple[str, str]], parameters: dict[str, object]) -> float:
    scorer = make_scorer({name: parameters} if parameters else name)
    labels = tuple(f"label_{n}" for n in range(20)) if kind == "label" else ()
    reader = make_reader(AnswerSpec(kind=kind, labels=labels))
    values = []
    for output, target in pairs:
        case = Case(id="c", target=target)
        completion = Completion(parts=(TextPart(text=output),))
        found = await scorer.score(case, completion, reader.read(output, case))
        assert found.value is not None
        values.append(found.value)
    return sum(values) / len(values)


GROUNDED = {"citations", "faithful"}
"""Scorers that look at passages; they have their gold answers in `test_grounded.py`."""


def test_the_self_test_covers_every_scorer() -> None:
    """A new scorer is examined too; a judge has its control rows."""
    ours = {name for name in plugins.names("scorer") if type(plugins.load("scorer", name)) is type}
    shipped = {name for name in ours if plugins.load("scorer", name).__module__.startswith("touchstone.")}
    assert shipped - GROUNDED == {*GOLD, "judge"}


@pytest.mark.parametrize("name", GOLD)
async def test_gold_answers_score_one(name: str) -> None:
    """Reading and scoring the target itself gives 1."""
    kind, gold, parameters = GOLD[name]
    assert await mean(name, kind, [(one, one) for one in gold], parameters) == pytest.approx(1.0)


@pytest.mark.parametrize("name", CHANCE)
async def test_shuffled_gold_scores_near_chance(name: str) -> None:
    """The right answers to other cases are not right here."""
    kind, gold, parameters = GOLD[name]
    others = gold[:]
    random.Random(3).shuffle(others)
    assert await mean(name, kind, list(zip(others, gold, strict=True)), parameters) <= CHANCE[name]


@pytest.mark.parametrize("name", GOLD)
@pytest.mark.parametrize("empty", ["", " ", "\n"])
async def test_an_empty_answer_never_scores_one(name: str, empty: str) -> None:
    """Saying nothing is never right, whether or not a reader stands in front."""
    _, gold, parameters = GOLD[name]
    scorer = make_scorer({name: parameters} if parameters else name)
    completion = Completion(parts=(TextPart(text=empty),))
    for target in (gold[0], "", " "):
        for answer in (empty, None):
            if answer is None and scorer.reads_answer:
                continue
            found = await scorer.score(Case(id="c", target=target), completion, Reading(answer=answer, how=""))
            assert found.value != 1.0
