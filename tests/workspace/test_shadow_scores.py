"""A shadow held against the version that answers: same answers counted, the task's scorers on both, nobody asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from touchstone.config import load_settings
from touchstone.deployment.base import Endpoint
from touchstone.deployment.govern.tables import charges, shadow_replies
from touchstone.errors import SettingsError
from touchstone.workspace.base import CompareOptions
from touchstone.workspace.deploy import Order, deploy_decision, deploy_model
from touchstone.workspace.endpoint_ask import ask_gateway, ask_recipe, kind_of, may_ask_recipe, samples
from touchstone.workspace.shadow_scores import shadow_scores
from touchstone.workspace.workspace import Workspace

LABELS = ["refund", "delivery"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A task of labels, two baselines measured, and both as versions of one endpoint."""
    folder = tmp_path_factory.mktemp("shadow")
    rows = "".join(f"c{n},{'money' if n % 2 else 'parcel'} number {n},{LABELS[(n + 1) % 2]}\n" for n in range(80))
    (folder / "cases.csv").write_text("id,input,target\n" + rows)
    task = {
        "task": "topics", "cases": "cases.csv", "answer": {"kind": "label", "labels": LABELS},
        "scorers": ["label", {"length": {"maximum": 10}}], "split": {"train": 0.3},
        "candidates": ["baseline/majority", {"model": "baseline/logistic", "features": "words"}],
    }  # fmt: skip
    (folder / "task.yaml").write_text(json.dumps(task))
    with Workspace(load_settings(folder / "store")) as workspace:
        workspace.compare(workspace.load_task(folder / "task.yaml"), CompareOptions(full=True))
        for name in ("baseline/majority", "baseline/logistic"):
            order = Order(name="topics", candidate=name, because="both", check_cases=0)
            deploy_decision(workspace, "latest", order, who="anna")
        yield workspace


@pytest.fixture
def endpoint(place: Workspace) -> Endpoint:
    from touchstone.workspace.endpoints import registry

    return registry(place, "").find("topics")


def keep(workspace: Workspace, number: int, asked: str, real: Any, shadow: Any, error: str | None = None) -> None:
    def reply(text: Any) -> Any:
        return {"choices": [{"message": {"content": text}}]} if isinstance(text, str) else text

    document = {
        "asked": {"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": asked}]},
        "reply": reply(real), "shadow_reply": reply(shadow), "error": error,
    }  # fmt: skip
    with workspace.ledger.engine.begin() as connection:
        connection.execute(
            shadow_replies.insert().values(
                request=f"req_{number}", endpoint="topics", version=1, shadow_version=2,
                document=orjson.dumps(document), size_bytes=1, at=f"2026-11-27T12:00:{number:02d}", expires_s=1 << 40,
            )
        )  # fmt: skip
        for copy in (False, True):
            connection.execute(
                charges.insert().values(
                    id=10 * number + copy, request=f"req_{number}", attempt=0, key=1, project="p", endpoint="topics",
                    version=2 if copy else 1, model="m", kind="chat", status="done", streamed=False, estimated=False,
                    usd=0.2 if copy else 0.1, seconds=1.0, started_at="2026-11-27", shadow=copy, owner="x",
                )
            )  # fmt: skip


def test_pairs_are_scored_as_a_trial_scores(place: Workspace, endpoint: Endpoint) -> None:
    """The same answer is the same once read; a right answer is known where the question is a case of the task."""
    cases = [case for _ordinal, case in place.ledger.datasets.cases(_dataset(place, endpoint), "test")][:4]
    other = {"refund": "delivery", "delivery": "refund"}
    for number, case in enumerate(cases):
        assert case.target is not None
        # The shadow is right each time, the other every second time; in other words than the labels have.
        real = case.target if number % 2 else other[case.target]
        keep(place, number, case.text, real, f"Answer: {case.target.upper()}")
    keep(place, 4, "never seen before", "refund", [{"type": "text"}])
    keep(place, 5, "never seen before", "refund", None, "upstream_failed")
    [found] = shadow_scores(place, endpoint)

    assert (found.version, found.shadow, found.failed) == (1, 2, 1)
    assert [pair.request for pair in found.pairs] == [f"req_{number}" for number in (5, 4, 3, 2, 1, 0)]
    assert [pair.same for pair in found.pairs] == [None, None, True, False, True, False]
    assert found.agreement is not None
    assert (found.agreement.mean, found.agreement.n) == (0.5, 4)
    label, length = found.compared
    assert (label.scorer, label.of_known_cases, label.real.n) == ("label", True, 4)
    assert (label.real.mean, label.shadow.mean, label.difference.difference) == (0.5, 1.0, -0.5)
    assert (length.scorer, length.of_known_cases, length.real.n) == ("length", False, 5)
    assert found.real.requests == 6
    assert [found.real.usd, found.copies.usd] == pytest.approx([0.1, 0.2])


def _dataset(place: Workspace, endpoint: Endpoint) -> str:
    from touchstone.workspace.bundle import read_bundle

    found = read_bundle(place.settings.workspace / endpoint.version(1).folder).dataset
    assert found is not None
    return found


def test_versions_that_are_gone_leave_their_replies(place: Workspace, endpoint: Endpoint) -> None:
    """They are shown, and nothing is said of what they are worth."""
    gone = endpoint.model_copy(
        update={"versions": tuple(one.model_copy(update={"folder": "endpoints/gone"}) for one in endpoint.versions)}
    )
    keep(place, 7, "x", "refund", "refund")
    [found] = shadow_scores(place, gone)
    assert found.pairs
    assert (found.agreement, found.compared) == (None, ())


def test_one_question_through_the_recipe(place: Workspace, endpoint: Endpoint) -> None:
    """The version that answers most answers here, for nothing; one that is paid for, or no chat, does not."""
    found = ask_recipe(place, endpoint, "money back")
    assert (found.text in LABELS, found.version) == (True, "2")
    judge = deploy_model(place, "moderation/rules", Order(), who="anna").endpoint
    assert (kind_of(judge), may_ask_recipe(judge)) == ("moderation", False)
    with pytest.raises(SettingsError, match="through the gateway"):
        ask_recipe(place, judge, "x")
    assert 'client.moderations.create(\n    model="moderation"' in samples(judge, "http://127.0.0.1:1/v1", "x").python


@pytest.mark.parametrize("address", ["http://example.org:80", "https://127.0.0.1:1", "http://0.0.0.0:1", "http://x"])
def test_a_key_goes_to_this_machine_alone(endpoint: Endpoint, address: str) -> None:
    """Whatever stands in the file that names the gateway."""
    with pytest.raises(SettingsError, match="not of this machine alone"):
        ask_gateway(address, endpoint, "ts-x", "hello")


@pytest.mark.parametrize("secret", ["", "a b", "ts-\n", "ts-\r\nX: y", "clé"])
def test_what_is_no_key_is_sent_nowhere(endpoint: Endpoint, secret: str) -> None:
    """A header has no place for it."""
    with pytest.raises(SettingsError, match="that is no key"):
        ask_gateway("http://127.0.0.1:9", endpoint, secret, "hello")


def test_samples_quote_what_is_asked(endpoint: Endpoint, tmp_path: Path) -> None:
    """A question with quotes and lines is one text in each language; no key stands in any of them."""
    asked = 'it\'s "late"\n`x` $(rm) \\ 包裹'
    found = samples(endpoint, "http://127.0.0.1:8080/v1", asked)
    compile(found.python, "sample", "exec")
    assert json.dumps(asked, ensure_ascii=False) in found.python
    assert json.dumps(asked, ensure_ascii=False) in found.typescript
    import shlex

    words = shlex.split(found.curl.replace("\\\n", " "))
    assert json.loads(words[-1])["messages"][0]["content"] == asked
    assert "ts-" not in "".join(found)
    assert not list(tmp_path.iterdir())
