"""
Which ways of improving are worth trying, each with the rule that says so and the numbers behind it.

A way that is left out has a reason too, and `asked` overrules every rule that is about worth; none overrules what is
missing. The rules are written down in docs/guide/improve.md under their ids.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from touchstone.decision.advice_base import ENOUGH_TO_TRAIN, FEWEST_TO_LEARN
from touchstone.decision.base import Reason
from touchstone.decision.improve_base import WAYS, Circumstances, Prospect, Way
from touchstone.language import N_
from touchstone.training.forecast import TOKENS_A_PARAMETER

RESTLESS_DAYS = 90
"""Facts that change more often than this make what was trained on them old before it has paid."""


def plan_ways(given: Circumstances) -> tuple[Prospect, ...]:
    """Every way, in the order of what it takes, tried or left out."""
    found: dict[Way, Prospect] = {}
    for way in WAYS:
        one = _JUDGES[way](given, found)
        if way in given.asked and not one.tried and not one.rule.endswith(_MISSING):
            one = _prospect(way, True, "asked", N_("the task file asks for it"))
        found[way] = one
    if given.only:
        for way, one in found.items():
            # Without the model as it is there would be nothing to hold the others against.
            if one.tried and way not in given.asked and way != "prompt":
                found[way] = _prospect(way, False, "not-asked", N_("the task file names other ways"))
    return tuple(found.values())


_MISSING = ".missing"


def _prospect(way: Way, tried: bool, rule: str, template: str, **values: str | int | float) -> Prospect:
    return Prospect(way=way, tried=tried, rule=rule, reason=Reason(template=template, values=values))


_Found = Mapping[Way, Prospect]


def _prompt(_given: Circumstances, _found: _Found) -> Prospect:
    return _prospect(
        "prompt",
        True,
        "prompt.measure",
        N_("what everything else is held against"),
    )


def _baseline(given: Circumstances, _found: _Found) -> Prospect:
    train = given.situation.train_cases or 0
    if not train:
        return _prospect(
            "baseline", False, "baseline.missing", N_("no case is set apart to learn from (`split: train`)")
        )
    return _prospect(
        "baseline",
        True,
        "baseline.free",
        N_("{train:,} cases to learn from, and it costs nothing: whoever cannot beat it is not worth its price"),
        train=train,
    )


def _few_shot(given: Circumstances, _found: _Found) -> Prospect:
    train = given.situation.train_cases or 0
    if not train:
        return _prospect(
            "few_shot", False, "few_shot.missing", N_("no case is set apart to show as an example (`split: train`)")
        )
    return _prospect(
        "few_shot",
        True,
        "few_shot.cheap",
        N_("{train:,} cases to choose examples from; nothing is built, only requests grow longer"),
        train=train,
    )


def _prompt_search(given: Circumstances, _found: _Found) -> Prospect:
    way: Way = "prompt_search"
    if given.dev_cases < 1:
        return _prospect(way, False, "search.missing", N_("no case is set apart to tune on (`split: dev`)"))
    if given.kind == "starter":
        return _prospect(
            way,
            False,
            "search.starter",
            N_("a starter model was trained on a handful of instructions, so other words teach it nothing"),
        )
    if given.dev_cases < FEWEST_TO_LEARN:
        return _prospect(
            way,
            False,
            "search.few-cases",
            N_("{dev:,} cases to tune on are fewer than {fewest}: the luckiest wording would win"),
            dev=given.dev_cases,
            fewest=FEWEST_TO_LEARN,
        )
    budget = given.situation.budget_usd
    if budget is not None and given.search_usd is not None and given.search_usd > budget:
        return _prospect(
            way,
            False,
            "search.budget",
            N_("a search would cost about {usd:,.2f} USD, and there are {budget:,.2f}"),
            usd=given.search_usd,
            budget=budget,
        )
    return _prospect(way, True, "search.tune", N_("{dev:,} cases to tune wording and examples on"), dev=given.dev_cases)


def _rag(given: Circumstances, _found: _Found) -> Prospect:
    if given.looks_up_cases:
        return _looked_up(given)
    if not given.situation.rests_on_documents:
        return _prospect(
            "rag", False, "rag.missing", N_("no documents are named that answers rest on (`improve: documents`)")
        )
    if given.facts_change_days is not None:
        return _prospect(
            "rag",
            True,
            "rag.fresh",
            N_("answers rest on documents whose facts change every {days:,.0f} days: they are looked up each time"),
            days=given.facts_change_days,
        )
    return _prospect(
        "rag", True, "rag.documents", N_("answers rest on documents: no model has read them, so show it the passages")
    )


def _looked_up(given: Circumstances) -> Prospect:
    labelled = (given.situation.train_cases or 0) + given.dev_cases
    if not labelled:
        return _prospect("rag", False, "rag.missing", N_("no labelled case is set apart to look up (`split: train`)"))
    return _prospect(
        "rag",
        True,
        "rag.cases",
        N_("labelled cases are looked up: the most similar ones stand above a question, with their answers"),
    )


def _both(way: Way, one: Way, template: str) -> Callable[[Circumstances, _Found], Prospect]:
    def judge(_given: Circumstances, found: _Found) -> Prospect:
        missing = next((part for part in (one, "rag") if not found[_way(part)].tried), None)
        if missing is not None:
            return _prospect(way, False, "joined.missing", N_("{part} is not tried"), part=missing)
        return _prospect(way, True, "joined.both", template)

    return judge


def _way(name: str) -> Way:
    return next(way for way in WAYS if way == name)


def _fine_tune(given: Circumstances, _found: _Found) -> Prospect:
    way: Way = "fine_tune"
    train = given.situation.train_cases or 0
    if given.stored_fine_tune:
        return _prospect(way, True, "tune.stored", N_("one for this task lies ready, so it costs nothing to measure"))
    if given.kind == "service" and not given.service_tunes:
        return _prospect(
            way,
            False,
            "tune.missing",
            N_("the weights are not on this machine; name a base with weights, or a service that tunes"),
        )
    if given.kind != "service" and not given.can_train:
        return _prospect(
            way, False, "tune.missing", N_("training needs the extra `train`: pip install 'touchstone[train]'")
        )
    if train < FEWEST_TO_LEARN:
        rule = "tune.missing" if not train else "tune.few-cases"
        return _prospect(
            way,
            False,
            rule,
            N_("{train:,} cases to learn from are fewer than {fewest}"),
            train=train,
            fewest=FEWEST_TO_LEARN,
        )
    days = given.facts_change_days
    if given.situation.rests_on_documents and days is not None and days < RESTLESS_DAYS:
        return _prospect(
            way,
            False,
            "tune.restless",
            N_(
                "the facts change every {days:,.0f} days, more often than every {restless}: what was trained on them "
                "would soon be wrong, and be sure of itself"
            ),
            days=days,
            restless=RESTLESS_DAYS,
        )
    if train <= ENOUGH_TO_TRAIN and given.situation.answer_kind not in ("json", "free"):
        return _prospect(
            way,
            False,
            "tune.not-enough",
            N_("{train:,} cases to learn from are fewer than the {enough} from which training has often paid"),
            train=train,
            enough=ENOUGH_TO_TRAIN,
        )
    return _prospect(
        way,
        True,
        "tune.enough",
        N_("{train:,} cases to learn from: form and habit can be taught, and requests grow shorter"),
        train=train,
    )


def _pretrain(given: Circumstances, _found: _Found) -> Prospect:
    way: Way = "pretrain"
    train = given.situation.train_cases or 0
    if not given.can_train:
        return _prospect(
            way, False, "pretrain.missing", N_("training needs the extra `train`: pip install 'touchstone[train]'")
        )
    if not train:
        return _prospect(way, False, "pretrain.missing", N_("no case is set apart to learn from (`split: train`)"))
    if not given.situation.fixed_labels:
        return _prospect(
            way,
            False,
            "pretrain.writes",
            N_(
                "a model that writes needs some {tokens} tokens for each of its parameters, far more than {train:,} "
                "cases hold"
            ),
            tokens=TOKENS_A_PARAMETER,
            train=train,
        )
    if train <= ENOUGH_TO_TRAIN:
        return _prospect(
            way,
            False,
            "pretrain.not-enough",
            N_("{train:,} labelled cases are too few to learn a language from; {enough} are the least"),
            train=train,
            enough=ENOUGH_TO_TRAIN,
        )
    return _prospect(
        way,
        True,
        "pretrain.labels",
        N_("{train:,} labelled cases of a fixed list of labels: a small encoder trained from nothing may do"),
        train=train,
    )


_JUDGES: Mapping[Way, Callable[[Circumstances, _Found], Prospect]] = {
    "prompt": _prompt,
    "baseline": _baseline,
    "few_shot": _few_shot,
    "prompt_search": _prompt_search,
    "rag": _rag,
    "few_shot+rag": _both("few_shot+rag", "few_shot", N_("examples show the form, passages bring the facts")),
    "fine_tune": _fine_tune,
    "fine_tune+rag": _both(
        "fine_tune+rag",
        "fine_tune",
        N_("training on rows that hold passages teaches to read them, and passages bring the facts"),
    ),
    "pretrain": _pretrain,
}

RULES: tuple[str, ...] = (
    "prompt.measure",
    "baseline.free",
    "baseline.missing",
    "few_shot.cheap",
    "few_shot.missing",
    "search.tune",
    "search.missing",
    "search.starter",
    "search.few-cases",
    "search.budget",
    "rag.documents",
    "rag.fresh",
    "rag.cases",
    "rag.missing",
    "joined.both",
    "joined.missing",
    "tune.stored",
    "tune.enough",
    "tune.missing",
    "tune.few-cases",
    "tune.restless",
    "tune.not-enough",
    "pretrain.labels",
    "pretrain.missing",
    "pretrain.writes",
    "pretrain.not-enough",
    "asked",
    "not-asked",
)
"""Every rule; a test holds this list against the guide."""
