"""What the prompt strategy promises: every model is asked the same, and a bad prompt fails before it is sent."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from touchstone.catalog.base import Price
from touchstone.data.base import Case, CaseSource
from touchstone.data.cases import read_cases
from touchstone.data.check import check_cases
from touchstone.data.media import media_folders
from touchstone.errors import RequestRejected, SettingsError
from touchstone.evaluation.journal import Journal
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.purse import Purse
from touchstone.models.base import AudioPart, ImagePart, Message, TextPart
from touchstone.models.fake import FakeModel
from touchstone.scoring.base import AnswerSpec
from touchstone.strategies.base import CandidateSpec, Workshop
from touchstone.strategies.prompt import Prompt, PromptCandidate, default_system


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "store.db")
    yield ledger
    ledger.close()


class Shop:
    """A workshop whose models are one fake."""

    def __init__(self, ledger: Ledger, folder: Path, price: Price | None = None) -> None:
        self.model = FakeModel(price=price)
        self.parameters: Mapping[str, Any] = {}
        self.workshop = Workshop(
            instruction="Name the intent.",
            answer=AnswerSpec(kind="label", labels=("refund", "shipping")),
            columns=frozenset({"input", "options", "id", "customer"}),
            folder=folder,
            media_folders={"": folder},
            learning_cases=lambda _split: iter(()),
            make_caller=self._caller,
            ledger=ledger,
            seed=5,
        )

    def _caller(self, _reference: str, parameters: Mapping[str, Any]) -> Journal:
        self.parameters = parameters
        return Journal(self.model, Purse(self.workshop.ledger))


@pytest.fixture
def shop(ledger: Ledger, tmp_path: Path) -> Shop:
    return Shop(ledger, tmp_path)


def spec(**parameters: Any) -> CandidateSpec:
    return CandidateSpec(name="mine", model="fake/parrot", strategy="prompt", parameters=parameters)


async def sent(shop: Shop, case: Case, **parameters: Any) -> tuple[Message, ...]:
    candidate = await Prompt().prepare(spec(**parameters), shop.workshop)
    await candidate.answer(case)
    await candidate.close()
    return shop.model.calls[-1].messages


async def test_a_case_is_asked_with_the_instruction_and_the_labels(shop: Shop) -> None:
    """The system text is the same for every model; the user's words go in as they are."""
    messages = await sent(shop, Case(id="1", input="Where is {input}?", target="shipping"))

    assert messages == (
        Message(
            role="system",
            content="Name the intent.\nReply with exactly one of these labels and nothing else:\n- refund\n- shipping",
        ),
        Message(role="user", content="Where is {input}?"),
    )


async def test_a_template_is_filled_with_the_case(shop: Shop) -> None:
    """Further columns too; an own system text takes the place of ours; an empty one leaves it out."""
    case = Case(id="1", input="Hi", fields={"customer": "{id}"})
    messages = await sent(shop, case, prompt='{customer}: {input} {"a": 1}', system="Be brief.")
    assert messages == (
        Message(role="system", content="Be brief."),
        Message(role="user", content='{id}: Hi {"a": 1}'),
    )
    assert await sent(shop, case, system="") == (Message(role="user", content="Hi"),)


async def test_options_stand_below_the_question(shop: Shop) -> None:
    """Lettered in their order."""
    messages = await sent(shop, Case(id="1", input="Which?", options=("red", "blue")))
    assert messages[-1].content == "Which?\n\nA. red\nB. blue"


async def test_a_conversation_is_passed_on(shop: Shop) -> None:
    """Turn by turn, after the system text."""
    turns = (
        Message(role="user", content="a"),
        Message(role="assistant", content="b"),
        Message(role="user", content="c"),
    )
    assert (await sent(shop, Case(id="1", messages=turns)))[1:] == turns


async def test_an_image_beside_the_cases_goes_along(shop: Shop, tmp_path: Path) -> None:
    """As a data URL with its kind; a URL stays a URL."""
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8picture")
    messages = await sent(shop, Case(id="1", input="What is it?", image="a.jpg"))
    wanted = "data:image/jpeg;base64," + base64.b64encode(b"\xff\xd8picture").decode()
    assert messages[-1].content == (TextPart(text="What is it?"), ImagePart(url=wanted))

    messages = await sent(shop, Case(id="1", input="?", image="https://example.com/a.png"))
    assert messages[-1].content == (TextPart(text="?"), ImagePart(url="https://example.com/a.png"))


async def test_a_recording_beside_the_cases_goes_along(shop: Shop, tmp_path: Path) -> None:
    """As base64 with the format of its suffix."""
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    messages = await sent(shop, Case(id="1", input="What is said?", audio="a.wav"))
    wanted = AudioPart(data=base64.b64encode(b"RIFF").decode(), format="wav")
    assert messages[-1].content == (TextPart(text="What is said?"), wanted)


async def test_a_recording_as_a_data_url_goes_along(shop: Shop) -> None:
    """As the base64 that it holds, with the format of its type; this is how tables hold recordings themselves."""
    messages = await sent(shop, Case(id="1", input="?", audio="data:audio/mpeg;base64,SUQz"))
    assert messages[-1].content == (TextPart(text="?"), AudioPart(data="SUQz", format="mp3"))


@pytest.mark.parametrize("column", ["image", "audio"])
async def test_no_other_file_of_the_machine_is_sent(shop: Shop, tmp_path: Path, column: str) -> None:
    """Nothing outside the folder of the cases and nothing that is no image or recording, whatever a case says."""
    folder = tmp_path / "cases"
    folder.mkdir()
    for name in ("secret.txt", "secret.png", "secret.wav", "cases/notes.txt"):
        (tmp_path / name).write_text("secret")
    for suffix in ("png", "wav"):
        (folder / f"link.{suffix}").symlink_to(tmp_path / f"secret.{suffix}")
    shop.workshop = replace(shop.workshop, media_folders={"": folder})
    suffix = "png" if column == "image" else "wav"
    for reference in (
        "../secret.txt",
        f"../secret.{suffix}",
        f"x/../../secret.{suffix}",
        f"link.{suffix}",
        str(tmp_path / f"secret.{suffix}"),
        str(folder / f"link.{suffix}"),
        "/etc/hostname",
        "notes.txt",
        "data:text/plain;base64,AA==",
        *(["https://example.com/a.wav"] if column == "audio" else []),
    ):
        with pytest.raises(RequestRejected, match=r"is not sent|is an address"):
            await sent(shop, Case(id="1", input="?", **{column: reference}))
    assert shop.model.calls == []


async def test_an_image_lies_beside_the_file_of_its_split(shop: Shop, tmp_path: Path) -> None:
    """Two files of cases may each have a 1.png; every case goes out with its own, also when read from the store."""
    rows = "input,target,image\nWhat?,x,1.png\n"
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "cases.csv").write_text(rows)
        (tmp_path / split / "1.png").write_text(split)
    source = CaseSource(files={split: tmp_path / split / "cases.csv" for split in ("train", "test")})
    shop.workshop.ledger.datasets.add(check_cases(source), read_cases(source))
    shop.workshop = replace(shop.workshop, media_folders=media_folders(source))

    for split in ("train", "test"):
        [(_, case)] = shop.workshop.ledger.datasets.cases(check_cases(source).digest, split)
        wanted = ImagePart(url="data:image/png;base64," + base64.b64encode(split.encode()).decode())
        assert (await sent(shop, case))[-1].content == (TextPart(text="What?"), wanted)


async def test_an_image_that_went_away_fails_its_cell_alone(shop: Shop) -> None:
    """Cases are checked for missing files before a run; what vanishes later is one failed call that names the path."""
    with pytest.raises(RequestRejected, match=r"missing.png"):
        await sent(shop, Case(id="1", input="?", image="missing.png"))


async def test_models_are_asked_greedily_unless_told_otherwise(shop: Shop) -> None:
    """The comparison is of models, not of luck; null leaves it to the provider."""
    for parameters, wanted in (({}, 0.0), ({"temperature": 0.7}, 0.7), ({"temperature": None}, None)):
        await sent(shop, Case(id="1", input="x"), **parameters)
        assert shop.model.calls[-1].temperature == wanted


async def test_sampling_parameters_go_into_the_request_and_the_rest_to_the_model(shop: Shop) -> None:
    """A stop may be one text or several."""
    await sent(shop, Case(id="1", input="x"), max_tokens=9, top_p=0.5, seed=3, stop="END", latency_s=0.5)
    request = shop.model.calls[-1]

    assert (request.max_tokens, request.top_p, request.seed, request.stop) == (9, 0.5, 3, ("END",))
    assert shop.parameters == {"latency_s": 0.5}


async def test_the_repeat_is_the_draw(shop: Shop) -> None:
    """Independent draws are different requests."""
    candidate = await Prompt().prepare(spec(), shop.workshop)
    await candidate.answer(Case(id="1", input="x"), draw=2)
    assert shop.model.calls[-1].draw == 2


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"prompt": "{input} {custmer}"}, r"mine: the template uses \{custmer\}"),
        ({"prompt": 5}, "mine: prompt is 5; write it as text"),
        ({"system": ["a"]}, r"mine: system is \['a'\]; write it as text"),
        ({"temperature": "hot"}, "mine: temperature is 'hot'"),
        ({"max_tokens": 0}, "mine: max_tokens is 0; write 1 or more"),
        ({"max_tokens": -5}, "mine: max_tokens is -5"),
        ({"stop": 3}, "mine: stop is 3"),
        ({"extra": "x"}, "mine: extra is 'x'"),
        ({"extra": {"max_completion_tokens": 9}}, "mine: extra.max_completion_tokens has a place of its own"),
        ({"tempature": 0.5}, "mine: there is no parameter 'tempature'; closest: temperature"),
    ],
)
async def test_a_parameter_that_cannot_be_used_fails_before_anything_is_sent(
    shop: Shop, parameters: dict[str, Any], words: str
) -> None:
    """The candidate, the key and the value are named."""
    with pytest.raises(SettingsError, match=words):
        await Prompt().prepare(spec(**parameters), shop.workshop)
    assert shop.model.calls == []


async def test_everything_that_changes_the_prompt_changes_the_recipe(shop: Shop) -> None:
    """The fingerprint tells two prompts apart; the same spec gives the same one."""
    prints = [
        (await Prompt().prepare(spec(**parameters), shop.workshop)).recipe.fingerprint
        for parameters in ({}, {}, {"system": "x"}, {"prompt": "{input}!"}, {"temperature": 1.0})
    ]
    assert prints[0] == prints[1]
    assert len(set(prints)) == 4


async def test_settings_say_how_it_was_asked(ledger: Ledger, tmp_path: Path) -> None:
    """Endpoint, digest of the words, sampling and the price with its source; another prompt, another digest."""
    price = Price(input_usd=1, output_usd=2, source="by hand")
    shop = Shop(ledger, tmp_path, price)
    found = []
    for parameters in ({"temperature": 0.2}, {"system": "else"}):
        candidate = await Prompt().prepare(spec(**parameters), shop.workshop)
        found.append(Prompt().settings(spec(**parameters), candidate))

    assert found[0]["endpoint"] == shop.model.endpoint
    assert found[0]["temperature"] == 0.2
    assert found[0]["price"]["source"] == "by hand"
    assert found[0]["prompt_digest"] != found[1]["prompt_digest"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (AnswerSpec(kind="number"), "Answer: N"),
        (AnswerSpec(kind="choice"), "Answer: X"),
        (AnswerSpec(kind="json"), "one JSON value"),
        (AnswerSpec(kind="number", source="json", argument="total"), 'the field "total"'),
        (AnswerSpec(kind="text", source="after", argument="Final:"), "one line: Final: followed"),
    ],
)
def test_the_system_text_asks_for_what_the_reader_looks_for(answer: AnswerSpec, words: str) -> None:
    """Else a good answer would be unparsed."""
    assert default_system("Do it.", answer).startswith("Do it.\n")
    assert words in default_system("Do it.", answer)


def test_free_text_needs_no_further_words() -> None:
    """The instruction alone; nothing at all without one."""
    assert default_system(" Write a poem. ", AnswerSpec(kind="free")) == "Write a poem."
    assert default_system("", AnswerSpec(kind="text")) == ""


async def test_twins_and_copies_and_repeats_never_share_a_draw(shop: Shop) -> None:
    """A candidate that asks the same as another is told so, and what it sends differs in the draw alone."""
    twins = [await Prompt().prepare(spec(), shop.workshop) for _ in range(3)]
    other = await Prompt().prepare(spec(temperature=0.5), shop.workshop)
    requests = []
    for place, candidate in enumerate(twins):
        assert isinstance(candidate, PromptCandidate)
        assert isinstance(other, PromptCandidate)
        assert candidate.asks == twins[0].asks != other.asks
        candidate.twin = place
        for copy in (0, 1, 5_000_000):
            requests += [candidate.request(Case(id="1", input="x", copy_number=copy), draw) for draw in (0, 99)]
        await candidate.close()
    await other.close()
    assert len({request.draw for request in requests}) == len(requests) == 18
    assert len({request.model_copy(update={"draw": 0}).model_dump_json() for request in requests}) == 1


async def test_a_copy_of_a_case_is_a_draw_of_its_own(shop: Shop) -> None:
    """What is asked twice is answered twice, whatever the repeats of the run; nothing else of the request differs."""
    candidate = await Prompt().prepare(spec(), shop.workshop)
    assert isinstance(candidate, PromptCandidate)
    requests = [
        candidate.request(Case(id="1", input="x", copy_number=copy), draw) for copy in range(5) for draw in range(9)
    ]
    await candidate.close()
    assert len({request.draw for request in requests}) == len(requests)
    assert len({request.model_copy(update={"draw": 0}).model_dump_json() for request in requests}) == 1


async def test_a_case_that_lacks_a_column_is_not_sent_with_a_hole(shop: Shop) -> None:
    """It is one failed cell that names case and column; an empty text is a value, and other braces stay text."""
    with pytest.raises(RequestRejected, match=r"case q7 has no value for \{customer\}"):
        await sent(shop, Case(id="q7", input="Hi"), prompt="{customer}: {input}")
    assert shop.model.calls == []

    messages = await sent(shop, Case(id="q8", input="Hi", fields={"customer": ""}), prompt='{customer}{"a": {input}}')
    assert messages[-1].content == '{"a": Hi}'
