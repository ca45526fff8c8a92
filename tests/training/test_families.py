"""The three families learn in one loop, and what was learned answers as it did in the training."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from tests.training.foreign import write_qwen
from tests.training.tiny import EXAMPLES, HELD_BACK, LABELS, LOOP, SIZES, job

from touchstone.errors import DataError
from touchstone.training.base import Example, Trained, TrainingJob
from touchstone.training.child import train_in
from touchstone.training.examples import refuse_unanswered, rows_by
from touchstone.training.objectives import HiddenWords, NextToken
from touchstone.training.rows import rows_of
from touchstone.training.run import lay_out, stored_training

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")

ASKED = [("user", "where is my parcel 1234")]
QUICK = LOOP.model_copy(update={"learning_rate": 1e-2})


def trained(
    job: TrainingJob,
    folder: Path,
    examples: tuple[Example, ...] = EXAMPLES,
    held_back: tuple[Example, ...] = HELD_BACK,
) -> Trained:
    """Trained in this process, which spares the start of another; the steps are those of the child."""
    folder.mkdir(parents=True)
    lay_out(job, examples, held_back, folder, "0" * 64)
    assert train_in(folder, threading.Event(), threading.Event()) == 0
    found = stored_training(folder)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """An encoder that learned to say labels, from nothing."""
    wanted = job(family="encoder-only", labels=LABELS, loop=QUICK)
    return trained(wanted, tmp_path_factory.mktemp("encoder") / "training")


def test_an_encoder_says_labels_with_their_probabilities(encoder: Trained) -> None:
    """Better than chance on what was held back; all labels together are certain."""
    from touchstone.models.local.write import LocalNetwork

    assert encoder.held_back_loss is not None
    assert encoder.held_back_loss < 0.7 * np.log(len(LABELS))
    network = LocalNetwork(encoder.folder)
    chances, tokens, _ = network.classify(ASKED)

    assert network.labels == LABELS
    assert sum(chances.values()) == pytest.approx(1)
    assert next(iter(chances)) == "delivery"
    assert tokens > 3


def test_an_encoder_fills_in_hidden_words_and_then_learns_labels(tmp_path: Path) -> None:
    """Two trainings, the second from the weights of the first with a new head."""
    from touchstone.models.local.weights_kind import labels_of, read_config

    first = trained(job(family="encoder-only"), tmp_path / "words")
    assert labels_of(read_config(first.folder)) == ()
    second = trained(
        job(way="full", base=first.folder, family="encoder-only", labels=LABELS, loop=QUICK), tmp_path / "labels"
    )

    assert first.steps[-1].loss < first.steps[0].loss
    assert second.held_back_loss_before is None
    assert second.held_back_loss is not None
    assert second.held_back_loss < np.log(len(LABELS))


def test_an_encoder_decoder_writes_an_answer(tmp_path: Path) -> None:
    """Token after token from what it read, the likeliest each time: twice the same."""
    from touchstone.models.local.write import LocalNetwork

    found = trained(job(family="encoder-decoder", loop=QUICK), tmp_path / "training")
    network = LocalNetwork(found.folder)
    first, again = network.write(ASKED, max_tokens=8), network.write(ASKED, max_tokens=8)

    assert found.steps[-1].loss < 0.7 * found.steps[0].loss
    assert first.text == again.text
    assert first.input_tokens > 3
    assert 0 < first.output_tokens <= 8


def test_a_decoder_of_others_learns_through_adapters_with_its_own_template(tmp_path: Path) -> None:
    """A Qwen with more tokens than 16 bits hold: its template says where the assistant speaks."""
    from touchstone.models.local.write import LocalNetwork

    base = tmp_path / "base"
    base.mkdir()
    write_qwen(base)
    few = QUICK.model_copy(update={"epochs": 2, "report_steps": 1})
    found = trained(job(way="lora", base=base, loop=few), tmp_path / "training", EXAMPLES[:9], HELD_BACK[:3])
    network = LocalNetwork(found.folder)
    numbers, said = network.words.conversation([("user", "hello"), ("assistant", "delivery")])
    learned = network.words.text([number for number, own in zip(numbers, said, strict=True) if own])

    assert found.held_back_loss < found.held_back_loss_before  # type: ignore[operator]  # both were measured
    assert learned.strip() == "delivery"
    assert network.ends == {2}
    assert network.write(ASKED, max_tokens=3).output_tokens <= 3


def test_a_base_of_another_family_or_an_unknown_label_is_refused(encoder: Trained, tmp_path: Path) -> None:
    """Before anything is learned, with what the folder is."""
    with pytest.raises(DataError, match="encoder-only"):
        trained(job(way="full", base=encoder.folder), tmp_path / "a")
    with pytest.raises(DataError, match="'refund' is none"):
        trained(job(family="encoder-only", labels=LABELS[:2]), tmp_path / "b")


class Letters:
    """A vocabulary in which every letter is a token."""

    end = None

    def conversation(self, turns: list[tuple[str, str]]) -> tuple[list[int], list[bool]]:
        pairs = [(ord(sign), role == "assistant") for role, text in turns for sign in text]
        return [number for number, _ in pairs], [own for _, own in pairs]

    def given(self, turns: list[tuple[str, str]]) -> list[int]:
        return [ord(sign) for _, text in turns for sign in text]

    asked = given

    def answer(self, text: str) -> list[int]:
        return [*map(ord, text), 0]

    def text(self, numbers: list[int]) -> str:
        return "".join(map(chr, numbers))


def test_rows_say_what_is_read_and_what_is_said() -> None:
    """Of a decoder the whole conversation, cut at its end; of the others what is read is cut, and never the answer."""
    example = Example(turns=(("user", "a" * 20), ("assistant", "yes")))
    place = Path("rows")

    def row(**changes: object) -> tuple[list[int], list[bool], int]:
        found = rows_by([example], Letters(), job(longest=16, **changes), place=place)
        numbers, said = found.rows.row(0)
        return numbers.tolist(), said.tolist(), found.cut

    assert row() == ([97] * 16, [False] * 16, 1)
    assert row(family="encoder-only", labels=("no", "yes")) == ([97] * 16 + [1], [False] * 16 + [True], 1)
    assert row(family="encoder-decoder") == ([97] * 16 + [121, 101, 115, 0], [False] * 16 + [True] * 4, 1)


def test_answers_that_a_cut_takes_away_are_no_lesson() -> None:
    """A training whose rows have mostly lost their answer is refused; where some have, it goes on."""
    whole, long = (Example(turns=(("user", "a" * count), ("assistant", "yes"))) for count in (5, 20))
    place = Path("rows")
    some = rows_by([whole, whole, long], Letters(), job(longest=16), place=place)
    refuse_unanswered(some, job(longest=16), place)
    most = rows_by([whole, long, long], Letters(), job(longest=16), place=place)
    assert (some.unanswered, most.unanswered) == (1, 2)
    with pytest.raises(DataError, match="2 of 3 rows are longer than 16 tokens"):
        refuse_unanswered(most, job(longest=16), place)
    encoder = rows_by([long, long], Letters(), job(longest=16, family="encoder-decoder"), place=place)
    assert (encoder.cut, encoder.unanswered) == (2, 0)


def test_hidden_words_are_drawn_from_seed_and_step_alone() -> None:
    """A training that goes on after a kill hides the same words."""
    from touchstone.training.networks import make_encoder

    torch.manual_seed(0)
    network = make_encoder(SIZES, 300, ()).eval()
    rows = rows_of([(list(range(4, 40)), [False] * 36)] * 3, longest=64)
    hidden = HiddenWords(mask_token=3, vocabulary=300)
    losses = [
        float(hidden.loss(network, rows, np.arange(3), device="cpu", read_weight=1.0, draw=draw).detach())
        for draw in ([1, 5], [1, 5], [1, 6])
    ]

    assert losses[0] == losses[1] != losses[2]


def test_what_is_only_read_counts_as_much_as_it_is_told_to() -> None:
    """With weight 0 the loss is that of the answer alone."""
    from touchstone.training.networks import make_decoder

    torch.manual_seed(0)
    network = make_decoder(SIZES, 300).eval()
    numbers = list(range(10, 30))
    rows = rows_of([(numbers, [at >= 15 for at in range(20)])], longest=64)
    with torch.no_grad():
        found = NextToken().loss(network, rows, np.arange(1), device="cpu", read_weight=0.0, draw=[0, 0])
        scores = network(input_ids=torch.tensor([numbers])).logits[0, 14:19].log_softmax(-1)
    wanted = -scores[torch.arange(5), torch.tensor(numbers[15:])].mean()

    assert float(found) == pytest.approx(float(wanted), rel=1e-5)
    assert NextToken().counted(rows, np.arange(1)) == 5
