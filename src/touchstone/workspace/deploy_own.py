"""
Endpoints of our own kinds: an embedder, the reranker, the safety rules. They run in the gateway and need no key.

`touchstone deploy --recipe` names them as `embedding/FOLDER`, `rerank/terms`, `moderation/rules` or `moderation/FILE`.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from touchstone.deployment.base import Version
from touchstone.deployment.endpoints.own_kinds import LEARNED, STRATEGIES, own_digest, own_upstream
from touchstone.deployment.govern.state import stamp
from touchstone.errors import DataError, SettingsError, UserError
from touchstone.evaluation.base import Recipe
from touchstone.retrieval.base import Unread
from touchstone.retrieval.chunk_fixed import FixedChunker
from touchstone.retrieval.documents import Source
from touchstone.retrieval.embed_lsa import LsaEmbedder
from touchstone.scoring.base import AnswerSpec
from touchstone.strategies.base import CandidateSpec
from touchstone.workspace.bundle import Bundle, no_task, write_bundle
from touchstone.workspace.deploy import FREE, Deployed, Order
from touchstone.workspace.deploy_version import put_version, wanted_name
from touchstone.workspace.workspace import Workspace

_FOLDER = "embedder"
_STATIC = ("model.safetensors", "tokenizer.json", "config.json")
_MOST_TERMS = 10_000
_MOST_TERM_BYTES = 1 << 20


def is_own(reference: str) -> bool:
    """Whether a reference names one of our own kinds."""
    kind, slash, rest = reference.partition("/")
    return bool(slash and rest) and kind in STRATEGIES


def deploy_own(workspace: Workspace, reference: str, order: Order, *, who: str) -> Deployed:
    """
    Serve an embedder, the reranker or the safety rules, without a trial.

    Args:
        reference: `embedding/FOLDER`, where the folder holds static vectors (`model.safetensors`), an embedder that an
            index has learned (`about.json`), or documents to learn from; `rerank/terms`; `moderation/rules`, or
            `moderation/FILE` with words and phrases that flag a text as well, one a line.
        order: Name, share and price; a process, a candidate or stored cases are none of these.
        who: For the audit log.

    Raises:
        SettingsError: the order names what does not go with it, or the reference names nothing that is known.
        UserError: a file is missing or cannot be read.
        ExtraMissing: learning from documents, or static vectors, need a library that is not installed.
    """
    if order.compute is not None:
        raise SettingsError(
            "{reference} runs in the gateway itself, so it takes no --compute; leave that out", reference=reference
        )
    kind, _, rest = reference.partition("/")
    with TemporaryDirectory() as scratch:
        source = Path(scratch)
        recipe = _recipe(kind, rest, source)
        name = wanted_name(order.name, Path(rest).name if kind == "embedding" else kind)
        folder = f"endpoints/{name}/{uuid4().hex[:12]}"
        place = workspace.settings.workspace / folder
        written = write_bundle(_bundle(recipe), source, place)
    try:
        files = place / "files"
        own_upstream(recipe, files, None, name=recipe.model)
        digest = own_digest(recipe, files)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise

    def version(number: int) -> Version:
        return Version(
            number=number,
            recipe=recipe,
            recipe_digest=digest,
            folder=folder,
            price=order.price or FREE,
            created_at=stamp(),
            created_by=who,
        )

    endpoint = put_version(workspace, name, place, version, percent=order.percent, project=order.project, who=who)
    return Deployed(endpoint, endpoint.versions[-1], None, written.outside)


def _recipe(kind: str, rest: str, source: Path) -> Recipe:
    """The recipe of a reference; what it reads is put into `source`."""
    if kind == "rerank":
        if rest != "terms":
            raise SettingsError("there is no reranker {name!r} here; write rerank/terms", name=rest)
        return Recipe(model="rerank/terms", strategy=kind)
    if kind == "moderation":
        return Recipe(model="moderation/rules", strategy=kind, parameters={"blocked": _terms(rest)})
    given = Path(rest).expanduser()
    if not given.is_dir():
        raise DataError("there is no such folder; name one with a static model, an embedder, or documents", path=given)
    target = source / _FOLDER
    target.mkdir()
    if (given / LEARNED[0]).is_file():
        learned = _copied(given, target, LEARNED)
    elif (given / _STATIC[0]).is_file():
        learned = _copied(given, target, _STATIC)
    else:
        learned = _learned(given, target)
    return Recipe(
        model=f"embedding/{given.resolve().name}", strategy=kind, parameters={"folder": _FOLDER, "learned": learned}
    )


def _copied(given: Path, target: Path, names: tuple[str, ...]) -> str:
    for name in names:
        place = given / name
        if place.is_symlink() or not place.is_file():
            raise UserError(
                "{folder} holds no {name}; name the folder of a whole embedder", folder=str(given), name=name
            )
        shutil.copyfile(place, target / name)
    return "elsewhere"


def _learned(given: Path, target: Path) -> str:
    """Learn from documents; says from how many pieces of text."""
    chunker = FixedChunker()
    with Source(given) as documents:
        texts = [
            passage.searched
            for document in documents.documents()
            if not isinstance(document, Unread)
            for passage in chunker.chunk(document)
        ]
    if not texts:
        raise UserError(
            "{folder} holds neither an embedder nor a document that can be read; name another folder", folder=str(given)
        )
    LsaEmbedder().fit(texts).save(target)
    return f"from {len(texts)} passages"


def _terms(rest: str) -> list[str]:
    """Words and phrases of a file, one a line; none for `rules`."""
    if rest == "rules":
        return []
    place = Path(rest).expanduser()
    try:
        if place.stat().st_size > _MOST_TERM_BYTES:
            raise DataError(
                "the file is longer than {limit} bytes; leave some words out", path=place, limit=_MOST_TERM_BYTES
            )
        found = [line.strip() for line in place.read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            "there is no such file of words, one a line in UTF-8; for the rules alone write moderation/rules",
            path=place,
        ) from error
    words = [line for line in found if line and not line.startswith("#")]
    if len(words) > _MOST_TERMS:
        raise DataError("the file has more than {limit} words; leave some out", path=place, limit=_MOST_TERMS)
    return words


def _bundle(recipe: Recipe) -> Bundle:
    spec = CandidateSpec(
        name=recipe.model, model=recipe.model, strategy=recipe.strategy, parameters=dict(recipe.parameters)
    )
    return Bundle(file=no_task(recipe.model), answer=AnswerSpec(kind="free"), spec=spec)
