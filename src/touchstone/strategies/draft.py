"""
A chat candidate in the making: words first, then what each ingredient adds, then somebody to ask.

`prompt` is a draft to which nothing further is added. Every other strategy that shapes what a chat model is asked is an
ingredient: examples, passages, another model. Joined names (`few_shot+rag`) are several ingredients in one draft.

An ingredient is a class of the entry point group `touchstone.strategy`, like any strategy, with `stage`, `parameters`
and `add` besides. `add` returns `draft.with_part(NAME, RECIPE, …)`, changing the fields that are its own:

| what it adds | field | stage |
| --- | --- | --- |
| a model of its own making | `model`, `model_parameters` (as beside `model` in a task file) | 10, with `turn` 40 |
| examples | `shots` | 20 |
| passages | `finder` (a `ContextFinder`), `context` | 30 |
| what came out of trying variants | any | 90 |

Stages say in which order names are joined. Each adds when it is its turn: `turn` where it has one, its stage else. A
model that is trained is, so, trained on what it will be asked, with examples and passages. An ingredient that uses
nothing of the entry's model says `from_nothing = True`.

What it needs comes with the `Workshop`: train and dev cases by `learning_cases`, the task file's folder, the
workspace's folder to keep what it builds, whether only a plan is made. What it took to build and what was found on the
way go along as `build` and `findings`; those of several ingredients add up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any, Protocol

from touchstone import plugins
from touchstone.errors import RequestRejected, SettingsError, UserError
from touchstone.evaluation.base import NOTHING_BUILT, BuildCost, Finding, Recipe
from touchstone.models.resolve import model_parameters
from touchstone.scoring.base import AnswerSpec
from touchstone.strategies.base import Caller, CandidateSpec, ContextFinder, Workshop
from touchstone.strategies.chat import PASSAGES_ABOVE, PromptCandidate, Shots
from touchstone.strategies.jinja_text import JinjaTemplate
from touchstone.strategies.known_weights import WEIGHTS_LEARNED, known_of
from touchstone.strategies.request_fields import OWN_FIELDS, begin_words, request_fields
from touchstone.strategies.template import check_names, slots


@dataclass(frozen=True)
class Draft:
    """What is known so far of a chat candidate; ingredients return changed copies."""

    name: str
    """What tables will call it."""
    model: str
    """Whom it will ask, as a task file refers to it; an ingredient that makes a model puts its own here."""
    model_parameters: Mapping[str, Any]
    system: str
    """Ingredients add at its end, so that whoever looks for better words can tell theirs from the user's."""
    begun_with: str
    """The system text before any ingredient added to it."""
    own_system: bool
    """Whether the user wrote it."""
    template: str | None
    fields: Mapping[str, Any]
    """Of the request."""
    answer: AnswerSpec
    """In what form it is told to answer, and its examples do."""
    shots: Shots | None = None
    finder: ContextFinder | None = None
    context: str = PASSAGES_ABOVE
    """How passages stand in the user turn."""
    jinja: JinjaTemplate | None = None
    """What renders the template, where it is a Jinja one."""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """By ingredient, what makes the candidate the one it is."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """Further settings for the report; they are the same whenever the same candidate is made."""
    build: BuildCost = NOTHING_BUILT
    """What the ingredients took so far."""
    findings: tuple[Finding, ...] = ()

    def with_part(
        self,
        ingredient: str,
        recipe: Mapping[str, Any],
        *,
        about: Mapping[str, Any] | None = None,
        build: BuildCost = NOTHING_BUILT,
        findings: Sequence[Finding] = (),
        **changes: Any,
    ) -> Draft:
        """
        A copy to which an ingredient added something.

        Args:
            ingredient: Its name.
            recipe: Everything that, changed, would make it add something else: settings, digests of what it read.
            about: Settings for the report; they join those that are there.
            build: What it took; it is added to what the others took.
            findings: Told beside those that are there.
            changes: Other fields of the draft, as they are from now on.
        """
        return replace(
            self,
            recipe={**self.recipe, ingredient: dict(recipe)},
            about={**self.about, **(about or {})},
            build=self.build + build,
            findings=(*self.findings, *findings),
            **changes,
        )

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the ingredients have to tell, as `Strategy.settings` does."""
        return {
            **self.about,
            "build": self.build.model_dump(),
            **({"findings": [one.model_dump() for one in self.findings]} if self.findings else {}),
        }


class Ingredient(Protocol):
    """
    A strategy that adds to a draft, and may therefore be joined with others.

    It is a `Strategy` as well: `prepare` is `compose((self,), spec, workshop)` and `settings` is `describe`.
    """

    name: str
    stage: int
    """
    What it adds, and when: 10 whom to ask, 20 examples, 30 passages, 90 what measures the whole draft. Two of the same
    stage cannot be joined; the order of the names in a task file does not matter.
    """
    parameters: frozenset[str]
    """Names of the parameters it takes; no other ingredient, and nothing of ours, takes the same."""

    async def add(self, draft: Draft, given: Mapping[str, Any], workshop: Workshop) -> Draft:
        """
        The draft with what this ingredient adds.

        Args:
            given: Its parameters, as far as the entry has them.

        Raises:
            UserError: it cannot; nothing was paid, unless paying is what the ingredient is for.
        """
        ...


def is_ingredient(strategy: Any) -> bool:
    """Whether a strategy can be joined with others."""
    return all(hasattr(strategy, name) for name in ("stage", "parameters", "add"))


def in_order(ingredients: Sequence[Ingredient]) -> tuple[Ingredient, ...]:
    """In the order in which they add, which is the same however they were named."""
    return tuple(sorted(ingredients, key=lambda one: (one.stage, one.name)))


def deal(
    ingredients: Sequence[Ingredient], spec: CandidateSpec
) -> tuple[dict[str, dict[str, Any]], dict[str, Any], dict[str, Any]]:
    """
    Who gets which parameters of an entry: (by ingredient, of the words and the request, of the model).

    Raises:
        SettingsError: nobody knows one of them; the closest is named, or the strategy that it belongs to.
        RuntimeError: two parts know the same, which is a mistake of whoever wrote them.
    """
    owner: dict[str, str] = dict.fromkeys(OWN_FIELDS, "prompt")
    for one in ingredients:
        for name in sorted(one.parameters):
            if name in owner:
                raise RuntimeError(f"the parameter {name!r} is known to {owner[name]} and to {one.name}")
            owner[name] = one.name
    of_model = model_parameters(spec.model)
    dealt: dict[str, dict[str, Any]] = {one.name: {} for one in ingredients}
    words: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    for name, value in spec.parameters.items():
        if name in OWN_FIELDS:
            words[name] = value
        elif name in owner:
            dealt[owner[name]][name] = value
        elif name in of_model:
            rest[name] = value
        else:
            raise _unknown(name, spec, known=sorted(of_model | owner.keys()))
    return dealt, words, rest


def _unknown(name: str, spec: CandidateSpec, known: Sequence[str]) -> UserError:
    for strategy in plugins.shipped("strategy"):
        if name in getattr(plugins.load("strategy", strategy), "parameters", ()):
            joined = strategy if spec.strategy == "prompt" else f"{spec.strategy}+{strategy}"
            return SettingsError(
                "{candidate}: the parameter {name!r} belongs to the strategy {strategy}; write strategy: {joined}",
                candidate=spec.name,
                name=name,
                strategy=strategy,
                joined=joined,
            )
    close = get_close_matches(name, known, n=1, cutoff=0.6) or known
    return SettingsError(
        "{candidate}: there is no parameter {name!r}; closest: {close}",
        candidate=spec.name,
        name=name,
        close=", ".join(close),
    )


async def compose(ingredients: Sequence[Ingredient], spec: CandidateSpec, workshop: Workshop) -> PromptCandidate:
    """
    A candidate made of its words and these ingredients.

    Raises:
        UserError: something must be changed first.
    """
    ingredients = in_order(ingredients)
    dealt, given, rest = deal(ingredients, spec)
    words = begin_words(given, spec.name, workshop)
    fields = request_fields(words.fields, spec.name)
    draft = Draft(
        name=spec.name,
        model=spec.model,
        model_parameters=rest,
        system=words.system,
        begun_with=words.system,
        own_system=words.own_system,
        template=words.template,
        fields=fields,
        answer=words.answer,
        jinja=words.jinja,
        about={**({"files": words.files} if words.files else {}), **({"format": "jinja"} if words.jinja else {})},
    )
    if words.template is not None:
        # With the ingredient that finds passages a template may say where they stand.
        finding = {"passages"} if any(one.stage == _PASSAGES for one in ingredients) else set()
        named = slots(words.template) if words.jinja is None else words.jinja.names()
        check_names(named, workshop.columns | finding, where=spec.name)
    if not any(getattr(one, "from_nothing", False) for one in ingredients):
        known = known_of(spec.name, rest, workshop)
        about = {**draft.about, **({} if known.learned is None else {WEIGHTS_LEARNED: known.learned})}
        draft = replace(draft, findings=known.findings, build=draft.build + known.took, about=about)
    for one in sorted(ingredients, key=lambda one: (getattr(one, "turn", one.stage), one.name)):
        draft = await one.add(draft, dealt[one.name], workshop)
    candidate = finish(draft, spec, joined_name(ingredients), workshop)
    await _look_at_examples(candidate)
    return candidate


def joined_name(ingredients: Sequence[Ingredient]) -> str:
    """`few_shot+rag`: the parts in their order; `prompt` is in every draft and named where it is alone."""
    return "+".join(one.name for one in in_order(ingredients) if one.name != "prompt") or "prompt"


async def _look_at_examples(candidate: PromptCandidate) -> None:
    """Raises `SettingsError` where an example that every case is shown cannot be shown, such as one without image."""
    for shown in candidate.shots.always if candidate.shots is not None else ():
        try:
            candidate.shown_turns(shown)
        except RequestRejected as error:
            await candidate.close()
            raise SettingsError(
                "{name}: the example {case} cannot be shown: {reason}",
                name=candidate.name,
                case=shown.case.id,
                reason=error,
            ) from error


_PASSAGES = 30


def finish(draft: Draft, spec: CandidateSpec, strategy: str, workshop: Workshop) -> PromptCandidate:
    """The candidate that a draft describes, with somebody to ask."""
    recipe = Recipe(
        model=spec.model,
        strategy=strategy,
        parameters={**spec.parameters, "system": draft.system, "prompt": draft.template, **draft.recipe},
        seed=workshop.seed,
    )
    return answering(draft, recipe, workshop.make_caller(draft.model, draft.model_parameters), workshop)


def answering(draft: Draft, recipe: Recipe, caller: Caller, workshop: Workshop) -> PromptCandidate:
    """A draft that can be asked, finished or to be measured on the way."""
    return PromptCandidate(
        draft.name,
        recipe,
        caller,
        system=draft.system,
        template=draft.template,
        folders=workshop.media_folders,
        fields=draft.fields,
        shots=draft.shots,
        finder=draft.finder,
        context=draft.context,
        jinja=draft.jinja,
        about=draft.settings,
    )


def describe(spec: CandidateSpec, candidate: Any) -> Mapping[str, Any]:
    """Model, endpoint, prompt digest, sampling parameters, the price with its source, and what ingredients say."""
    assert isinstance(candidate, PromptCandidate)
    price = candidate.caller.price
    words = f"{candidate.system}\0{candidate.template or ''}"
    if candidate.shots is not None:
        words += f"\0{candidate.shots.identity}"
    if candidate.finder is not None:
        words += f"\0{candidate.finder.identity}\0{candidate.context}"
    return {
        "model": spec.model,
        "strategy": candidate.recipe.strategy,
        "endpoint": candidate.caller.endpoint,
        "prompt_digest": hashlib.sha256(words.encode()).hexdigest()[:12],
        "system": candidate.system,
        "prompt": candidate.template,
        **{key: candidate.fields.get(key) for key in ("temperature", "top_p", "max_tokens", "seed")},
        "price": price.model_dump() if price else None,
        **candidate.about,
    }
