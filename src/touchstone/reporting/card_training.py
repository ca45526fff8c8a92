"""What went into a model that was trained here, and how its loss fell."""

from __future__ import annotations

from touchstone.language import _
from touchstone.reporting import numbers
from touchstone.reporting.loss_chart import loss_chart
from touchstone.reporting.pages import Block, Fact, Facts, Section
from touchstone.training.base import Trained


def training_section(trained: Trained) -> Section:
    """The training of a card: rows, time, loss before and after, and the curve."""
    learned = trained.trained_parameters
    before, after = trained.held_back_loss_before, trained.held_back_loss
    rows = [
        Fact(_("Rows"), _cut(trained)),
        Fact(_("Tokens, once through"), numbers.count(trained.tokens)),
        Fact(
            _("Weights that learned"),
            _("{learned} of {all}").format(learned=numbers.count(learned), all=numbers.count(trained.parameters)),
        ),
        *([Fact(_("Loss on rows held back, before"), _loss(before))] if before is not None else []),
        *([Fact(_("Loss on rows held back, after"), _loss(after))] if after is not None else []),
        Fact(_("Time"), numbers.seconds(trained.seconds)),
        Fact(_("Machine"), trained.device),
        Fact(_("Digest"), trained.digest),
    ]
    curve = loss_chart(
        trained.steps,
        name=_("loss"),
        write=_loss,
        title=_("Loss, step by step"),
        caption=_("Nats per token, the mean since the report before. It should fall and then level off."),
    )
    blocks: list[Block] = [Facts(rows), *([curve] if curve else [])]
    return Section(_("How it was trained"), blocks, anchor="training")


def _cut(trained: Trained) -> str:
    if not trained.cut_rows:
        return numbers.count(trained.rows)
    said = _("{rows}, of which {cut} were too long and were cut at the end")
    return said.format(rows=numbers.count(trained.rows), cut=numbers.count(trained.cut_rows))


def _loss(value: float) -> str:
    return f"{value:.3g}"
