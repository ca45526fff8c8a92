"""A race in sentences: what it took, what it proved, who is tied; the same on every page."""

from __future__ import annotations

from collections.abc import Sequence

from touchstone.language import _, ngettext
from touchstone.reporting import numbers, words
from touchstone.reporting.base import Comparison, RaceInfo, ReportData

_NAMED = 4
"""As many tied rivals are named on a terminal; more are counted."""


def is_race(comparison: Comparison) -> bool:
    """Whether there is a race to tell about; a run that asked everybody everything is none."""
    return bool(comparison.race.lanes)


def winner(comparison: Comparison) -> str | None:
    """
    The leader of race and decision, with whom rivals are compared; the decision may take somebody tied with it.

    None where the race's leader may not be chosen, or is not the decision's: what the race says of ties is then about
    somebody else.
    """
    leading = (lane.candidate for lane in comparison.race.lanes if lane.state == "leader")
    name = next(leading, None)
    return name if name == comparison.decision.leader else None


def rivals(comparison: Comparison) -> tuple[str, ...]:
    """Whom the race could ask, besides its leader, and who may be chosen."""
    out = {rejected.candidate for rejected in comparison.decision.rejected}
    lanes = comparison.race.lanes
    return tuple(lane.candidate for lane in lanes if lane.state in {"settled", "running"} and lane.candidate not in out)


def is_halving(race: RaceInfo) -> bool:
    """Whether the field was halved on a fixed number of calls: then nobody settled who was asked no more."""
    return race.finish == "budget" or any(lane.state == "settled" and lane.against is None for lane in race.lanes)


def tolerance(data: ReportData) -> float | None:
    """Epsilon, where a proven finish is a certificate of it; None for other goals and for halving."""
    race = data.comparison.race
    return None if is_halving(race) or _is_thrifty(data) else race.epsilon


def paragraph(data: ReportData) -> str:
    """All of it in a few lines, for a terminal or a pull request."""
    comparison = data.comparison
    race, calls = comparison.race, comparison.calls
    values = {
        "made": numbers.count(calls.made + calls.from_cache),
        "full": numbers.count(calls.full),
        "share": numbers.percent(calls.share),
        "usd": numbers.money(race.saved_usd),
    }
    first = (
        _("Race: {made} of {full} calls ({share}), about {usd} saved.")
        if race.saved_usd and not is_halving(race)
        else _("Race: {made} of {full} calls ({share}).")
    ).format(**values)
    return joined([first, *ending(data, brief=True), *ties(data, named=_NAMED)])


def rules(data: ReportData) -> str:
    """How it was run, and what `settled` means."""
    race = data.comparison.race
    order = _("All candidates got the cases in the same random order.")
    if race.batch is not None:
        order = ngettext(
            "All candidates got the cases in the same random order, {batch} case a round.",
            "All candidates got the cases in the same random order, {batch} cases a round.",
            race.batch,
        ).format(batch=numbers.count(race.batch))
    if race.finish == "budget":
        rule = _(
            "The calls were fixed beforehand; after each round the better part of the field went on with the rest."
        )
    elif _is_thrifty(data):
        rule = _(
            "A candidate was settled and asked no more once it was shown to be too far below the best, or not to be "
            "too far above the cheapest that was still in question."
        )
    elif race.epsilon is None:
        rule = _("A rival was settled and asked no more once it could no longer win.")
    else:
        rule = _(
            "A rival was settled and asked no more once it was shown not to be more than {points} points better than "
            "the leader."
        ).format(points=numbers.at_most(race.epsilon))
    return joined([order, rule])


def meaning(data: ReportData) -> str:
    """What it means that a candidate was asked no more, beside the picture."""
    if is_halving(data.comparison.race):
        return _(
            "Who was left out had the lower mean when the field was halved. That proves nothing; the certificate says "
            "what was proven."
        )
    if _is_thrifty(data):
        return _("Settled means: shown to be too far below the best, or not to be too far above the cheapest.")
    return _("Settled does not mean worse: only that it was shown not to beat the leader by more than the tolerance.")


def savings(comparison: Comparison) -> tuple[str, ...]:
    """What it took, and what not asking further saved, in calls and money; a fixed number of calls saves nothing."""
    race, calls = comparison.race, comparison.calls
    taken = {
        "made": numbers.count(calls.made + calls.from_cache),
        "full": numbers.count(calls.full),
        "share": numbers.percent(calls.share),
        "stored": numbers.count(calls.from_cache),
    }
    found = [
        _("The race took {made} of {full} calls ({share}); {stored} of them were answered from the store.").format(
            **taken
        )
        if calls.from_cache
        else _("The race took {made} of {full} calls ({share}).").format(**taken)
    ]
    if not race.saved_calls or is_halving(race):
        return tuple(found)
    values = {"n": numbers.count(race.saved_calls), "usd": numbers.money(race.saved_usd)}
    if race.saved_usd is None:
        line = ngettext(
            "{n} call was not needed; what it would have cost is unknown, because a price is.",
            "{n} calls were not needed; what they would have cost is unknown, because a price is.",
            race.saved_calls,
        )
    elif race.saved_usd == 0:
        line = ngettext("{n} call was not needed.", "{n} calls were not needed.", race.saved_calls)
    else:
        line = ngettext(
            "{n} call was not needed; at the candidate's measured cost per case it would have cost about {usd}.",
            "{n} calls were not needed; at each candidate's measured cost per case they would have cost about {usd}.",
            race.saved_calls,
        )
    return (*found, line.format(**values))


def ending(data: ReportData, *, brief: bool = False) -> tuple[str, ...]:
    """How it ended and what that guarantees; a finish without a guarantee says so, however brief."""
    comparison = data.comparison
    race, bound = comparison.race, certificate(comparison)
    if comparison.decision.verdict == "none_qualifies" and race.finish != "stopped":
        return (_("Nobody meets the conditions, so the race guarantees nothing."),)
    if race.finish == "proven":
        found = [_("Proven: {sentence}").format(sentence=bound) if bound else words.finish_sentence(race.finish)]
        if race.quick_at_calls is not None and not brief:
            found.append(
                _(
                    "A quick finish, each rival for itself, was reached after {n} calls; the calls after that bought "
                    "the guarantee for the whole race."
                ).format(n=numbers.count(race.quick_at_calls))
            )
        return tuple(found)
    if race.finish == "quick":
        return _some(
            _(
                "Quick finish: each rival was settled at {confidence} confidence for itself, and no guarantee covers "
                "the whole race."
            ).format(confidence=_confidence(comparison)),
            _("What is guaranteed: {sentence}").format(sentence=bound) if bound else "",
        )
    if race.finish == "stopped":
        return _some(
            _("The race was stopped before it was decided."),
            words.stop_sentence(data.ending),
            _("What can be said so far: {sentence}").format(sentence=bound)
            if bound
            else _("How far its leader is below the best cannot be said yet."),
        )
    return _some(
        words.finish_sentence(race.finish), _("What it showed: {sentence}").format(sentence=bound) if bound else ""
    )


def certificate(comparison: Comparison) -> str:
    """How far the chosen one, else the leader, is below the best at most; empty when nothing can be said."""
    bound, name = comparison.race.certificate, comparison.decision.chosen or comparison.decision.leader
    partly = _is_partial(comparison)
    if bound is None or name is None or (partly and not rivals(comparison)):
        return ""
    if bound <= 0:
        template = (
            _("on these cases nobody of those that could be asked is better than {name} ({confidence} confidence).")
            if partly
            else _("on these cases nobody is better than {name} ({confidence} confidence).")
        )
    else:
        template = (
            _(
                "on these cases {name} is at most {points} points below the best of those that could be asked "
                "({confidence} confidence)."
            )
            if partly
            else _("on these cases {name} is at most {points} points below the best ({confidence} confidence).")
        )
    return template.format(name=name, points=numbers.at_most(bound), confidence=_confidence(comparison))


def ties(data: ReportData, *, named: int | None = None) -> tuple[str, ...]:
    """
    Who was not shown to be worse than the winner, on these cases and on future ones like these.

    Of those only who may be chosen. Nothing where nobody could be compared, and nothing of a search for the cheapest
    that has not come to its end: its leader is then the cheapest still in question, and may be far below the others.

    Args:
        data: What the report shows too.
        named: As many names are listed; more are counted. None lists all.
    """
    comparison = data.comparison
    race, name, compared = comparison.race, winner(comparison), rivals(comparison)
    if name is None or not compared or (_is_thrifty(data) and race.finish in {"stopped", "open"}):
        return ()
    here = tuple(one for one in race.ties_here if one in compared)
    future = tuple(one for one in race.ties_future if one in compared and one not in here)
    partly = _is_partial(comparison)
    who = _("every rival that may be chosen and could be asked") if partly else _("every rival that may be chosen")

    def listed(names: Sequence[str]) -> str:
        if named is None or len(names) <= named:
            return numbers.listing(names)
        return ngettext("{n} rival", "{n} rivals", len(names)).format(n=numbers.count(len(names)))

    if not here and not future:
        # The cheapest that is good enough was not looked for to be better than anybody.
        if _is_thrifty(data):
            return ()
        return (
            _(
                "On these cases and on future ones like these, {who} was shown to be worse than {name} (each at "
                "{confidence} confidence for itself)."
            ).format(who=who, name=name, confidence=_confidence(comparison)),
        )
    if not here:
        return (
            _(
                "On these cases {who} was shown to be worse than {name} (each at {confidence} confidence for itself); "
                "on future cases like these that is not shown of {names}."
            ).format(who=who, name=name, confidence=_confidence(comparison), names=listed(future)),
        )
    tied = (
        _("Not shown to be worse than {name} on these cases: {names}.")
        if _is_thrifty(data)
        else _("Tied with {name} on these cases, as far as was shown: {names}.")
    ).format(name=name, names=listed(here))
    more = _("On future cases like these, also {names}.").format(names=listed(future)) if future else ""
    return _some(tied, more)


def joined(sentences: Sequence[str]) -> str:
    """Sentences one after another, as the language sets them; at least one."""
    text = sentences[0]
    for sentence in sentences[1:]:
        text = _("{first} {second}").format(first=text, second=sentence)
    return text


def _is_partial(comparison: Comparison) -> bool:
    """Whether somebody could not be called, so that nothing is known of how good it is."""
    return any(lane.state == "unreachable" for lane in comparison.race.lanes)


def _is_thrifty(data: ReportData) -> bool:
    return data.goal.startswith("cheapest-within")


def _confidence(comparison: Comparison) -> str:
    stated = comparison.race.confidence
    return numbers.percent(comparison.statistics.confidence if stated is None else stated, 0)


def _some(*sentences: str) -> tuple[str, ...]:
    return tuple(sentence for sentence in sentences if sentence)
