"""From a choice to somebody who answers: the class that was measured, in front of a journal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import orjson

from touchstone.data.base import Case
from touchstone.deployment.base import Asked
from touchstone.deployment.endpoints.own_kinds import STRATEGIES, served_here
from touchstone.errors import RequestRejected, SettingsError, UnknownName
from touchstone.evaluation.base import Candidate, Recipe
from touchstone.evaluation.comparisons import Comparisons
from touchstone.evaluation.journal import Journal
from touchstone.evaluation.purse import Purse
from touchstone.language import N_
from touchstone.models.base import (
    AudioPart,
    ChatModel,
    ChatRequest,
    Checkable,
    Completion,
    ImagePart,
    Message,
    Part,
    TextPart,
    Usage,
)
from touchstone.models.openai_compatible import OpenAICompatible
from touchstone.models.resolve import make_model, model_parameters
from touchstone.scoring.base import AnswerSpec
from touchstone.strategies.base import CandidateSpec
from touchstone.strategies.chat import PromptCandidate
from touchstone.workspace.bundle import Bundle, answering_settings, make_served, read_bundle, served_digest
from touchstone.workspace.candidates import Lanes
from touchstone.workspace.endpoints import registry
from touchstone.workspace.gather import RETRIEVAL
from touchstone.workspace.playground_base import Choice, Parameters
from touchstone.workspace.playground_choices import plain_of
from touchstone.workspace.playground_media import Medium
from touchstone.workspace.playground_other import OUTPUT_TOKENS, OtherKind
from touchstone.workspace.playground_stream import Watched
from touchstone.workspace.taskfile import TaskFile, task_place

if TYPE_CHECKING:
    from touchstone.catalog.catalog import Catalog
    from touchstone.deployment.base import Upstream, Version
    from touchstone.workspace.workspace import Workspace

_LOOKED_AT = 200
"""Cases of which the columns are looked up that a prompt may name."""


class Question(NamedTuple):
    """What a pane is asked."""

    case: Case
    """What somebody typed, or the case of a series."""
    before: tuple[Message, ...] = ()
    """Earlier turns with this pane's own answers."""
    image: Medium | None = None
    sound: Medium | None = None
    draw: int = 0


class Answerer(Protocol):
    """Somebody in a pane."""

    async def answer(self, asked: Question, parameters: Parameters) -> Completion:
        """The answer. Raises what a `Journal` raises."""
        ...

    def request(self, asked: Question, parameters: Parameters) -> ChatRequest | None:
        """What is sent, as far as it is known without asking anybody; None where it is no chat."""
        ...

    async def close(self) -> None:
        """Release what it holds; may be called twice."""
        ...


class Chat:
    """
    A chat candidate, asked in a conversation.

    Args:
        candidate: As it was measured, or a model with nothing but a system text.
        own: Whether its recipe says how it is asked; then only what somebody sets here stands instead.
    """

    def __init__(self, candidate: PromptCandidate, *, own: bool) -> None:
        self.candidate = candidate
        self._own = own

    async def answer(self, asked: Question, parameters: Parameters) -> Completion:
        """Its answer to the last turn, the earlier ones before it."""
        passages = await self.candidate.passages(asked.case)
        completion = await self.candidate.caller.complete(self._request(asked, parameters, passages))
        return (
            completion.model_copy(update={"passages": tuple(one.text for one in passages)}) if passages else completion
        )

    def request(self, asked: Question, parameters: Parameters) -> ChatRequest | None:
        """What is sent, with what stands in for passages."""
        return self._request(asked, parameters, None)

    def _request(self, asked: Question, parameters: Parameters, passages: Any) -> ChatRequest:
        candidate = self.candidate
        case = asked.case
        if asked.image is not None:
            case = case.model_copy(update={"image": asked.image.url})
        if asked.sound is not None:
            case = case.model_copy(update={"audio": asked.sound.url})
        request = candidate.request(case, 0, passages)
        # The recipe's own turns of one question come last: a template makes one of it, a conversation stays one.
        turns = len(case.messages) if case.messages is not None and candidate.template is None else 1
        at = len(request.messages) - turns
        given: dict[str, Any] = {
            "temperature": parameters.temperature,
            "top_p": parameters.top_p,
            "seed": parameters.seed,
            "stop": parameters.stop or None,
            "max_tokens": request.max_tokens if self._own and request.max_tokens else parameters.max_tokens,
        }
        return request.model_copy(
            update={
                "messages": (*request.messages[:at], *asked.before, *request.messages[at:]),
                "draw": asked.draw,
                **{name: value for name, value in given.items() if value is not None},
            }
        )

    async def close(self) -> None:
        """Release the candidate."""
        await self.candidate.close()


class Whole:
    """A candidate that answers single cases: a baseline."""

    def __init__(self, candidate: Candidate) -> None:
        self.candidate = candidate

    async def answer(self, asked: Question, parameters: Parameters) -> Completion:
        """Its answer to what was asked last, by itself."""
        del parameters
        if asked.image is not None or asked.sound is not None:
            raise RequestRejected("{name} reads text only", name=self.candidate.name)
        return await self.candidate.answer(asked.case)

    def request(self, asked: Question, parameters: Parameters) -> ChatRequest | None:
        """There is none: nobody is sent anything."""
        del asked, parameters
        return None

    async def close(self) -> None:
        """Release the candidate."""
        await self.candidate.close()


class Other:
    """A provider's model of another kind than chat."""

    def __init__(self, journal: Journal, kind: OtherKind) -> None:
        self._journal = journal
        self._kind = kind

    async def answer(self, asked: Question, parameters: Parameters) -> Completion:
        """A vector, pictures, or the words of a recording."""
        return await self._journal.complete(self.request(asked, parameters))

    def request(self, asked: Question, parameters: Parameters) -> ChatRequest:
        """What the ledger keeps."""
        del parameters
        if asked.image is not None or (asked.sound is not None and self._kind.kind != "transcription"):
            raise RequestRejected("{name} reads text only", name=self._kind.name)
        parts: list[Part] = [TextPart(text=asked.case.text)]
        if asked.sound is not None:
            parts.append(_audio(asked.sound))
        return ChatRequest(
            messages=(Message(role="user", content=tuple(parts)),),
            max_tokens=OUTPUT_TOKENS[self._kind.kind],
            draw=asked.draw,
        )

    async def close(self) -> None:
        """Release connections."""
        await self._journal.close()


class OwnVectors:
    """An embedder that runs in this process; it asks nobody, so nothing is journalled."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def answer(self, asked: Question, parameters: Parameters) -> Completion:
        """The vector of a text."""
        del parameters
        if asked.image is not None or asked.sound is not None:
            raise RequestRejected("{name} reads text only", name=self._upstream.model)
        body = {"input": [asked.case.text]}
        ready = await self._upstream.prepare(Asked("embedding", body, stream=False, request="playground"))
        found = await self._upstream.answer(ready)
        vector = orjson.loads(found.body)["data"][0]["embedding"]
        return Completion(
            parts=(TextPart(text=orjson.dumps(vector).decode()),),
            usage=Usage(input_tokens=found.usage.input_tokens, output_tokens=0),
            cost_usd=0.0,
            finish="stop",
            served_model=found.model,
        )

    def request(self, asked: Question, parameters: Parameters) -> ChatRequest | None:
        """There is none: nobody is sent anything."""
        del asked, parameters
        return None

    async def close(self) -> None:
        """Release the embedder."""
        await self._upstream.close()


class Makes:
    """
    Makes answerers.

    Args:
        workspace: Whose choices they are; used in one thread.
        lanes: Of all calls.
        open_catalog: For choices of the catalog.
    """

    def __init__(
        self, workspace: Workspace, lanes: Lanes, open_catalog: Callable[[], AbstractContextManager[Catalog]]
    ) -> None:
        self._workspace = workspace
        self._lanes = lanes
        self._open_catalog = open_catalog

    def answerer(self, choice: Choice, system: str, purse: Purse) -> Answerer:
        """
        Who answers for a choice. Blocks: an index or weights may be read.

        Args:
            system: For models that are asked as they are.
            purse: Pays.

        Raises:
            UserError: it is not there any more, is not what was measured any more, or a key or a price is missing.
        """
        if choice.source == "compared":
            return self._compared(choice, purse)
        if choice.source == "endpoint":
            return self._endpoint(choice, purse)
        plain = plain_of(choice, self._workspace, self._open_catalog)
        if choice.kind != "chat":
            model = self._model(plain.reference, plain.parameters, plain.folder)
            if not isinstance(model, OpenAICompatible):
                raise SettingsError("{name} cannot be asked for this kind of answer here", name=choice.name)
            other = OtherKind(model, choice.kind)
            return Other(Journal(other, purse, lane=self._lanes.of(other)), other)
        recipe = Recipe(model=plain.reference, strategy="prompt", parameters={**plain.parameters, "system": system})
        journal = self._journal(plain.reference, plain.parameters, plain.folder, purse)
        candidate = PromptCandidate(
            choice.name, recipe, journal, system=system, template=None, folders={}, fields={}
        )  # fmt: skip
        return Chat(candidate, own=False)

    def _compared(self, choice: Choice, purse: Purse) -> Answerer:
        _, identity, name = choice.id.split(":", 2)
        ledger = self._workspace.ledger
        row = Comparisons(ledger).find(identity)
        spec: dict[str, Any] = {"candidates": []} if row is None else orjson.loads(row["spec"])
        raw = next((one for one in spec["candidates"] if one["name"] == name), None)
        entry = next((one for one in Comparisons(ledger).entries(identity) if one["name"] == name), None)
        if row is None or raw is None or entry is None:
            raise UnknownName(kind=N_("candidate"), name=name, known=())
        wanted = CandidateSpec.model_validate(raw)
        folder = task_place(spec).parent
        bundle = Bundle(
            file=TaskFile.model_validate(spec["file"]).model_copy(update={"candidates": ({"model": wanted.model},)}),
            answer=AnswerSpec.model_validate(spec["answer"]),
            spec=wanted,
            dataset=row["dataset"],
            columns=self._columns(row["dataset"]),
        )
        candidate, settings = self._made(bundle, folder, folder, purse)
        recipe = Recipe.model_validate_json(entry["recipe"])
        before, now = answering_settings(orjson.loads(entry["settings"])), answering_settings(settings)
        changed = sorted(key for key in {*now, *before} if now.get(key) != before.get(key) and key != RETRIEVAL)
        if recipe.fingerprint != candidate.recipe.fingerprint or changed:
            asyncio.run(candidate.close())
            raise SettingsError(
                "{name} is not what was measured any more: {changed} changed since; compare again, or restore it",
                name=name,
                changed=", ".join(changed) or "recipe",
            )
        return _answering(candidate)

    def _endpoint(self, choice: Choice, purse: Purse) -> Answerer:
        endpoint = registry(self._workspace, "").find(choice.id.partition(":")[2])
        version: Version = max(endpoint.versions, key=lambda one: (endpoint.split.get(one.number, 0), one.number))
        folder = self._workspace.settings.workspace / version.folder
        bundle = read_bundle(folder)
        if bundle.spec.strategy in STRATEGIES:
            return OwnVectors(served_here(version, folder / "files"))
        candidate, settings = self._made(bundle, folder, folder / "files", purse)
        if served_digest(candidate, settings) != version.recipe_digest:
            asyncio.run(candidate.close())
            raise SettingsError("{name} is not what was deployed any more; deploy it again", name=endpoint.name)
        return _answering(candidate)

    def _made(self, bundle: Bundle, folder: Path, files: Path, purse: Purse) -> tuple[Candidate, Mapping[str, Any]]:
        workspace = self._workspace
        return asyncio.run(
            make_served(
                bundle,
                folder,
                workspace.ledger,
                workspace.settings.workspace,
                make_caller=lambda reference, given: self._journal(reference, given, files, purse),
            )
        )

    def _columns(self, dataset: str) -> tuple[str, ...]:
        found = {"input", "options", "id"}
        for _, case in self._workspace.ledger.datasets.cases(dataset, "test", stop=_LOOKED_AT):
            found |= set(case.fields)
        return tuple(sorted(found))

    def _journal(self, reference: str, given: Mapping[str, Any], folder: Path | None, purse: Purse) -> Journal:
        watched = Watched(self._model(reference, given, folder))
        return Journal(watched, purse, lane=self._lanes.of(watched))

    def _model(self, reference: str, given: Mapping[str, Any], folder: Path | None) -> ChatModel:
        known = model_parameters(reference)
        # Streamed, so that it can be watched; what is asked and how it is read stay the same.
        watched = {"stream": True} if "stream" in known else {}
        model = make_model(reference, parameters={**given, **watched}, folder=folder)
        if isinstance(model, Checkable):
            model.check()
        return model


def _answering(candidate: Candidate) -> Answerer:
    return Chat(candidate, own=True) if isinstance(candidate, PromptCandidate) else Whole(candidate)


def _audio(sound: Medium) -> AudioPart:
    head, _, data = sound.url.partition(",")
    return AudioPart(data=data, format=head.removeprefix("data:audio/").partition(";")[0])


def said_before(pairs: Sequence[tuple[str, Medium | None, str]]) -> tuple[Message, ...]:
    """Earlier turns as messages: (what was asked, its picture, what this pane answered)."""
    found: list[Message] = []
    for asked, image, answered in pairs:
        content: str | tuple[Part, ...] = asked
        if image is not None:
            content = (TextPart(text=asked), ImagePart(url=image.url))
        found += [Message(role="user", content=content), Message(role="assistant", content=answered)]
    return tuple(found)
