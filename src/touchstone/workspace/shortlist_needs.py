"""From a task file and flags to needs: flags win over the file, the file over what the cases look like."""

import math
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from touchstone.catalog.memory import Precision
from touchstone.catalog.model import Modality, PartialDate
from touchstone.decision.advice_base import Situation
from touchstone.decision.base import Reason
from touchstone.decision.shortlist_base import Figure, Floor, Needs
from touchstone.errors import SettingsError, TaskError
from touchstone.language import N_
from touchstone.noun import Noun
from touchstone.workspace.shortlist_cases import CasesLook, answer_tokens, is_chinese
from touchstone.workspace.shortlist_measured import Measured

if TYPE_CHECKING:
    from touchstone.workspace.taskfile import Task

ANY = "any"
"""As a language: none is asked for, whatever the cases are written in."""

_SCENARIO_OF_KIND: Mapping[str, str] = {
    "label": "classification",
    "choice": "knowledge-answers",
    "number": "reasoning-maths",
    "json": "extraction",
    "free": "customer-service",
}
_SCENARIO_OF_TASK: Mapping[str, str] = {
    "chat": "customer-service",
    "code-generation": "coding",
    "embedding": "retrieval",
    "reranking": "retrieval",
    "classification": "classification",
    "translation": "translation",
    "summarisation": "long-documents",
    "speech-recognition": "transcription",
    "speech-synthesis": "speaking",
    "image-generation": "image-creation",
    "image-editing": "image-creation",
    "image-understanding": "image-understanding",
    "document-reading": "image-understanding",
    "moderation": "safety-moderation",
}
_GENERAL = "knowledge-answers"
_WRITING = frozenset({"chat", "text-generation", "code-generation", "summarisation", "translation", "extraction"})
_OF_WRITERS = (_GENERAL, "reasoning-maths", "coding", "agents")
"""What models that write text are measured on most."""
_WRITES_NOTHING = frozenset({"embedding", "reranking", "image-embedding"})
_LICENCE_TO_OPENNESS: Mapping[str, Literal["open-licence", "open-weights"]] = {
    "open": "open-licence",
    "open_weights": "open-weights",
}


MOST_TOKENS = 1_000_000_000
"""Of a call or a context; more is a slip of the hand."""
_MOST_USD = 10**12
_MOST_CALLS = 10**12
_MOST_GIB = 10**6
_MOST_DAYS = 36_500


class Wishes(Noun):
    """What flags ask for; None and () say nothing."""

    tasks: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    inputs: tuple[Modality, ...] = ()
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes, or `any`."""
    abilities: tuple[Literal["tools", "structured-output", "vision", "reasoning"], ...] = ()
    context_tokens: int | None = Field(default=None, ge=1, le=MOST_TOKENS)
    licences: tuple[str, ...] = ()
    openness: Literal["open-licence", "open-weights"] | None = None
    lab_countries: tuple[str, ...] = ()
    not_lab_countries: tuple[str, ...] = ()
    self_hostable: bool | None = None
    memory_gib: float | None = Field(default=None, gt=0, le=_MOST_GIB, allow_inf_nan=False)
    precision: Precision = "16bit"
    fit_context_tokens: int | None = Field(default=None, ge=1, le=MOST_TOKENS)
    floor: Floor | None = None
    released_after: PartialDate | None = None
    serve_days: int = Field(default=0, ge=0, le=_MOST_DAYS)
    """How long from today it must be served."""
    retired_too: bool = False
    ours: bool = False
    providers: tuple[str, ...] = ()
    callable: bool | None = None
    """None asks for it unless the weights are to be held on one's own machine: what `compare` can call comes next."""
    seller_countries: tuple[str, ...] = ()
    not_seller_countries: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    allow_deprecated: bool = False
    max_input_usd: float | None = Field(default=None, ge=0, le=_MOST_USD, allow_inf_nan=False)
    max_output_usd: float | None = Field(default=None, ge=0, le=_MOST_USD, allow_inf_nan=False)
    max_usd_per_month: float | None = Field(default=None, ge=0, le=_MOST_USD, allow_inf_nan=False)
    requests_per_month: float | None = Field(default=None, gt=0, le=_MOST_CALLS, allow_inf_nan=False)
    input_tokens: float | None = Field(default=None, ge=0, le=MOST_TOKENS, allow_inf_nan=False)
    output_tokens: float | None = Field(default=None, ge=0, le=MOST_TOKENS, allow_inf_nan=False)
    scenario: str | None = None
    """Id of the scenario whose benchmarks speak for quality; by the task by default."""
    rests_on_documents: bool = False
    days: float | None = Field(default=None, ge=0, le=_MOST_DAYS, allow_inf_nan=False)
    budget_usd: float | None = Field(default=None, ge=0, le=_MOST_USD, allow_inf_nan=False)
    gpu_usd_per_hour: float | None = Field(default=None, gt=0, le=10**6, allow_inf_nan=False)


_AS_THEY_ARE = (
    "outputs",
    "abilities",
    "licences",
    "lab_countries",
    "not_lab_countries",
    "memory_gib",
    "precision",
    "floor",
    "released_after",
    "ours",
    "providers",
    "seller_countries",
    "not_seller_countries",
    "regions",
    "allow_deprecated",
    "max_input_usd",
    "max_output_usd",
)


def needs_of(
    wishes: Wishes,
    *,
    today: date,
    task: "Task | None" = None,
    look: CasesLook | None = None,
    measured: Measured | None = None,
) -> Needs:
    """
    What a model must be.

    Args:
        wishes: The flags.
        today: From when it must be served.
        task: The task file, with `look`: what its cases look like.
        measured: What stored trials of these cases measured.

    Raises:
        TaskError: the file limits the month's cost and gives no volume.
        SettingsError: a flag limits the month's cost and something is missing to work it out.
    """
    found: dict[str, Any] = {name: getattr(wishes, name) for name in _AS_THEY_ARE}
    kind = task.answer.kind if task else None
    found |= {"tasks": wishes.tasks, "inputs": wishes.inputs}
    if not wishes.tasks and kind is not None:
        # Also for labels: what only classifies has classes of its own, such as a guard's, or must be trained first.
        found["one_task_of"] = ("chat",)
    if look is not None and not wishes.inputs:
        found["inputs"] = tuple(name for name, there in (("image", look.images), ("audio", look.audio)) if there)
    found["languages"] = _languages(wishes, look)
    # Half of the makers name no language, those of GPT and Claude among them; a guess from the cases leaves them in.
    found["unnamed_languages_pass"] = not wishes.languages
    found["self_hostable"] = bool(wishes.self_hostable)
    found["openness"] = wishes.openness
    if task is not None:
        asked = task.file.constraints
        if wishes.openness is None and asked.licence is not None:
            found["openness"] = _LICENCE_TO_OPENNESS[asked.licence]
        if wishes.self_hostable is None:
            found["self_hostable"] = bool(asked.self_hostable)
    on_own_machine = found["self_hostable"] or wishes.memory_gib is not None
    found["callable"] = not on_own_machine if wishes.callable is None else wishes.callable
    if not wishes.retired_too:
        found["serve_until"] = today + timedelta(days=wishes.serve_days)
    found |= _calls(wishes, task, look, measured)
    room = answer_tokens(kind) if kind else 0
    found["context_tokens"] = wishes.context_tokens or (look.longest_tokens + room if look and look.test else None)
    found["fit_context_tokens"] = wishes.fit_context_tokens or max(found["context_tokens"] or 0, 8192)
    return Needs.model_validate(found)


def _languages(wishes: Wishes, look: CasesLook | None) -> tuple[str, ...]:
    if wishes.languages:
        return tuple(language for language in wishes.languages if language != ANY)
    # Other scripts tell less: Latin letters may be any of a hundred languages, and a guess is no limit.
    return ("zh",) if look is not None and is_chinese(look) else ()


def _calls(wishes: Wishes, task: "Task | None", look: CasesLook | None, measured: Measured | None) -> dict[str, Any]:
    """Volume, tokens and the month's limit."""
    given: dict[str, Figure | None] = {
        name: None if getattr(wishes, name) is None else Figure(value=getattr(wishes, name), basis="given")
        for name in ("requests_per_month", "input_tokens", "output_tokens")
    }
    limit = wishes.max_usd_per_month
    if given["output_tokens"] is None and wishes.tasks and set(wishes.tasks) <= _WRITES_NOTHING:
        given["output_tokens"] = Figure(value=0, basis="assumed")
    if task is not None:
        if limit is None:
            limit = _finite(task.file.constraints.max_usd_per_month, _MOST_USD, task, "constraints.max_usd_per_month")
        said = _finite(task.file.volume.requests_per_month, _MOST_CALLS, task, "volume.requests_per_month")
        if given["requests_per_month"] is None and said is not None:
            given["requests_per_month"] = Figure(value=said, basis="given")
        given["input_tokens"] = given["input_tokens"] or _input_figure(look, measured)
        given["output_tokens"] = given["output_tokens"] or (
            Figure(value=measured.output_tokens, basis="measured")
            if measured
            else Figure(value=answer_tokens(task.answer.kind), basis="assumed")
        )
        if limit is not None and given["requests_per_month"] is None:
            raise TaskError(
                "max_usd_per_month needs a volume; add requests_per_month under `volume`",
                path=task.path,
                line=task.line("constraints", "max_usd_per_month"),
            )
    if limit is not None:
        for name, flag in (
            ("requests_per_month", "--requests-per-month"),
            ("input_tokens", "--input-tokens"),
            ("output_tokens", "--output-tokens"),
        ):
            if given[name] is None:
                raise SettingsError(
                    "--max-usd-per-month needs {flag}: a month's cost is calls times the tokens of a call", flag=flag
                )
    return {**given, "max_usd_per_month": limit}


def _finite(value: float | None, most: float, task: "Task", key: str) -> float | None:
    """A number of the task file, which may hold one that nothing can be worked out with."""
    if value is not None and not (math.isfinite(value) and value <= most):
        raise TaskError(
            "{key} is {value}; write a number of at most {most:g}",
            path=task.path,
            line=task.line(*key.split(".")),
            key=key,
            value=value,
            most=most,
        )
    return value


def _input_figure(look: CasesLook | None, measured: Measured | None) -> Figure | None:
    if measured is not None:
        return Figure(value=measured.input_tokens, basis="measured")
    if look is None or not look.test:
        return None
    return Figure(value=look.mean_tokens, basis="estimated", at_least=look.images or look.audio)


def situation_of(wishes: Wishes, task: "Task | None", look: CasesLook | None) -> Situation:
    """What advice needs besides."""
    return Situation(
        train_cases=look.train if look else None,
        test_cases=look.test if look else None,
        answer_kind=task.answer.kind if task else "text",
        fixed_labels=task is not None and task.answer.kind == "label",
        rests_on_documents=wishes.rests_on_documents,
        days=wishes.days,
        budget_usd=wishes.budget_usd,
        gpu_usd_per_hour=wishes.gpu_usd_per_hour,
    )


def scenario_ids(wishes: Wishes, task: "Task | None", needs: Needs) -> tuple[str, ...]:
    """
    Scenarios whose benchmarks speak for these needs, the closest first.

    Behind them come those that say how able a model of the same kind is in general; they are looked at only while
    the closer ones say too little.
    """
    if wishes.scenario:
        return (wishes.scenario,)
    return scenarios_of(task.answer.kind if task and not wishes.tasks else None, wishes.tasks, needs)


def scenarios_of(kind: str | None, tasks: Sequence[str], needs: Needs) -> tuple[str, ...]:
    """The scenarios of answers of one kind, of taxonomy tasks, or of both; see `scenario_ids`."""
    found = []
    if "image" in needs.inputs:
        found.append("image-understanding")
    if kind is not None:
        found.append(_SCENARIO_OF_KIND.get(kind, _GENERAL))
    found += [_SCENARIO_OF_TASK[name] for name in tasks if name in _SCENARIO_OF_TASK]
    if "zh" in needs.languages:
        found.append("chinese")
    if not tasks or _WRITING & set(tasks):
        found += _OF_WRITERS
    return tuple(dict.fromkeys(found))


def assumptions(
    needs: Needs, look: CasesLook | None, measured: Measured | None, *, kind: str = ""
) -> tuple[Reason, ...]:
    """What the numbers rest on, in words."""
    found = []
    basis = {
        "measured": N_("measured"),
        "estimated": N_("estimated from the texts of the cases, four bytes a token"),
        "assumed": N_("assumed by the kind of answer"),
        "given": N_("given"),
    }
    for name, figure in (("input", needs.input_tokens), ("output", needs.output_tokens)):
        if figure is None:
            continue
        template = N_("output of a call: {tokens:,.0f} tokens on average, {basis}")
        if name == "input":
            template = N_("input of a call: {tokens:,.0f} tokens on average, {basis}")
            if figure.at_least:
                template = N_(
                    "input of a call: {tokens:,.0f} tokens on average, {basis}; images and recordings are not counted, "
                    "so a cost is what it is at least"
                )
        elif figure.basis == "assumed" and not figure.value:
            found.append(Reason(template=N_("output of a call: vectors and scores are not billed by the token")))
            continue
        elif figure.basis == "assumed":
            template = N_("output of a call: {tokens:,.0f} tokens on average, {basis}; thinking is not counted in it")
        found.append(Reason(template=template, values={"tokens": figure.value, "basis": basis[figure.basis]}))
    if measured is not None:
        template = N_("measured by comparison {comparison}, mean over {candidates} candidates")
        values: dict[str, str | int | float] = {"comparison": measured.comparison, "candidates": measured.candidates}
        found.append(Reason(template=template, values=values))
    if needs.requests_per_month is not None:
        found.append(
            Reason(
                template=N_("calls a month: {calls:,.0f}, as given"), values={"calls": needs.requests_per_month.value}
            )
        )
    if needs.serve_until is not None:
        template = N_(
            "retirement: the end of a maker's own service ends that offer, not weights that are given out and what "
            "others serve of them"
        )
        found.append(Reason(template=template))
    if look is not None and look.test:
        template = N_(
            "context: the longest of {cases:,} test cases is about {longest:,} tokens, estimated, and an answer"
        )
        found.append(Reason(template=template, values={"cases": look.test, "longest": look.longest_tokens}))
        if needs.languages == ("zh",) and is_chinese(look):
            template = N_(
                "language: {share:.0%} of the test cases are Chinese, so makers that name only others are out; "
                "--language zh asks for it by name, --language any for none"
            )
            found.append(Reason(template=template, values={"share": look.chinese_share}))
    if kind == "json" and "structured-output" not in needs.abilities:
        template = N_(
            "answers are JSON; that a model keeps to a schema is not asked for, because few cards state it "
            "(--structured-output asks)"
        )
        found.append(Reason(template=template))
    return tuple(found)
