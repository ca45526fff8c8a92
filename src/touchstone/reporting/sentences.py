"""The decision in words a product manager understands, the same on every page."""

from __future__ import annotations

from collections.abc import Iterable

from touchstone.decision.projection import machine_usd
from touchstone.evaluation.base import Cost, MachineTime, PairResult
from touchstone.language import _, ngettext
from touchstone.reporting import numbers, race, words
from touchstone.reporting.base import CandidateResult, Comparison, Note, ReportData
from touchstone.reporting.failures import retold, starts_with_a_name
from touchstone.reporting.ranking import difference, find, is_proven, peers, ranked, runner_up

_NAMED = 3
"""As many names stand in a headline; more are counted."""


def headline(comparison: Comparison) -> str:
    """The verdict in one short sentence."""
    decision, others = comparison.decision, peers(comparison)
    if decision.verdict == "none_qualifies":
        return _("No candidate meets your conditions.")
    if decision.verdict == "insufficient":
        return _("There is not enough evidence to choose yet.")
    if decision.verdict == "tie":
        if decision.chosen is None:
            return _("A tie: {names} cannot be told apart.").format(names=_some(others))
        return _("A tie: take {chosen}.").format(chosen=decision.chosen)
    return _("Take {chosen}.").format(chosen=decision.chosen or numbers.UNKNOWN)


def explanation(comparison: Comparison) -> str:
    """What the verdict means, what it rests on, and what to do with it."""
    decision, meaning = comparison.decision, _meaning(comparison)
    if decision.why is None or decision.verdict not in {"tie", "insufficient"}:
        return meaning
    return _("{first} {second}").format(first=meaning, second=full(decision.why))


def caveats(comparison: Comparison) -> tuple[str, ...]:
    """What stands against the decision, without what the explanation says already."""
    decision = comparison.decision
    said = [note for note in decision.caveats if note != decision.why]
    return tuple(dict.fromkeys(full(note) for note in said))


def evidence(data: ReportData) -> tuple[str, ...]:
    """The numbers behind the verdict, one sentence each; every sentence with its n."""
    comparison = data.comparison
    chosen = find(comparison, comparison.decision.chosen)
    if chosen is None:
        return _evidence_without_choice(comparison)
    sentences = []
    if chosen.estimate:
        sentences.append(
            _(
                "{name} scored {mean} on {n} cases; its true score is between {low} and {high} "
                "({confidence} confidence)."
            ).format(
                name=chosen.name,
                mean=numbers.percent(chosen.estimate.mean),
                n=numbers.count(chosen.estimate.n),
                low=numbers.percent(chosen.estimate.low),
                high=numbers.percent(chosen.estimate.high),
                confidence=numbers.percent(comparison.statistics.confidence, 0),
            )
        )
    rival = runner_up(comparison)
    if rival is not None:
        pair = difference(comparison.pairs, chosen.name, rival.name)
        if pair is not None:
            sentences.append(_against_rival(pair, comparison.statistics.confidence))
    if data.baseline and data.baseline not in {chosen.name, rival.name if rival else None}:
        pair = difference(comparison.pairs, chosen.name, data.baseline)
        if pair is not None:
            sentences.append(_against_baseline(pair))
    sentences += _asked_again(chosen)
    sentences.append(_price(chosen, data.requests_per_month))
    if data.goal == "best" and any(_ways_of(candidate) for candidate in comparison.candidates):
        sentences.append(
            _(
                "The goal is the best score: what making each took and what your machine's time costs have no say in "
                "it; which one pays over time is what touchstone improve answers."
            )
        )
    return tuple(sentences)


def _ways_of(candidate: CandidateResult) -> bool:
    """Whether somebody improved a model for this candidate, as by examples, passages or training."""
    return candidate.strategy not in ("prompt", "baseline", "recorded")


def full(note: Note) -> str:
    """A note as a sentence that stands alone: with a capital, unless it starts with a name, and a full stop."""
    text = note.text(_)
    if not (_(note.template).startswith("{") if note.values else starts_with_a_name(note.template)):
        text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?", "。", "！", "？")) else _("{sentence}.").format(sentence=text)


def reason(stored: str) -> str:
    """Why a scorer said so, or why a call failed; the latter in the reader's language."""
    return retold(stored, _)


def compared(pair: PairResult, confidence: float) -> str:
    """One pair as a sentence, seen from its better side."""
    if pair.difference < 0:
        turned = difference([pair], pair.b, pair.a)
        pair = turned or pair
    values = {
        "a": pair.a,
        "b": pair.b,
        "points": numbers.points(pair.difference, plus=False),
        "range": numbers.points_range(pair.low, pair.high),
        "n": numbers.count(pair.n),
        "p": _p_words(pair),
    }
    if is_proven(pair, confidence):
        return _("{a} beats {b} by {points} points ({range}; n = {n}, {p}).").format(**values)
    return _("{a} and {b} cannot be told apart: {points} points ({range}; n = {n}, {p}).").format(**values)


def _p_words(pair: PairResult) -> str:
    """The p value that decides, with what was done to it: corrected for many pairs, or good for any moment."""
    p = numbers.p_value(pair.adjusted_p)
    return (_("p {p} at any moment") if words.is_anytime_valid(pair.method) else _("adjusted p {p}")).format(p=p)


def _against_rival(pair: PairResult, confidence: float) -> str:
    behind = pair.difference < 0
    seen = (difference([pair], pair.b, pair.a) or pair) if behind else pair
    values = {
        "name": pair.b,
        "points": numbers.points(seen.difference, plus=False),
        "range": numbers.points_range(seen.low, seen.high),
        "n": numbers.count(pair.n),
        "p": _p_words(pair),
    }
    if not is_proven(pair, confidence) and behind:
        return _("{name} scored {points} points more, which may be chance ({range}, {p}, {n} common cases).").format(
            **values
        )
    if not is_proven(pair, confidence):
        return _(
            "The next best, {name}, scored {points} points less, which may be chance ({range}, {p}, {n} common cases)."
        ).format(**values)
    if not behind:
        return _("It is {points} points ahead of the next best, {name} ({range}, {p}, {n} common cases).").format(
            **values
        )
    return _("It is {points} points behind {name} ({range}, {p}, {n} common cases), which your goal accepts.").format(
        **values
    )


def _against_baseline(pair: PairResult) -> str:
    template = (
        _("Against {name}, the baseline, it gains {points} points ({range}, {n} common cases).")
        if pair.difference >= 0
        else _("Against {name}, the baseline, it loses {points} points ({range}, {n} common cases).")
    )
    return template.format(
        name=pair.b,
        points=numbers.points(abs(pair.difference), plus=False),
        range=numbers.points_range(pair.low, pair.high),
        n=numbers.count(pair.n),
    )


def _asked_again(chosen: CandidateResult) -> tuple[str, ...]:
    repeats = chosen.repeats
    if repeats is None:
        return ()
    always = repeats.pass_hat_k[-1]
    return (
        _(
            "Asked {k} times, it is right every time on {share} of the cases ({interval}, n = {n}); on {unstable} its "
            "answers did not score alike."
        ).format(
            k=numbers.count(repeats.repeats),
            share=numbers.percent(always.mean),
            interval=numbers.interval(always.low, always.high),
            n=numbers.count(always.n),
            unstable=numbers.percent(repeats.unstable_share.mean),
        ),
    )


def _price(chosen: CandidateResult, requests_per_month: int | None) -> str:
    cost = chosen.cost
    if cost.per_case_usd is None:
        return _("What it costs is unknown: no price was given.")
    if cost.machine is not None:
        return _("{first} {second}").format(
            first=_("It costs {case} a case.").format(case=numbers.money(cost.per_case_usd))
            if cost.per_case_usd
            else _("Nothing is bought for its answers."),
            second=_own_time(cost, cost.machine, requests_per_month),
        )
    if cost.per_month_usd is not None and requests_per_month:
        return _("It costs {case} a case, about {month} a month at {requests} requests.").format(
            case=numbers.money(cost.per_case_usd),
            month=numbers.money(cost.per_month_usd),
            requests=numbers.count(requests_per_month),
        )
    return _("It costs {case} a case.").format(case=numbers.money(cost.per_case_usd))


def _own_time(cost: Cost, machine: MachineTime, requests_per_month: int | None) -> str:
    """What the time of the user's machine comes to; it is never left out in silence."""
    time = machine_usd(machine)
    if time is None:
        return (
            _(
                "What its time on your machine costs is not known: set machine_usd_per_hour under improve in the task "
                "file."
            )
            if machine.usd_per_hour is None
            else _("What its time on your machine costs is not known: it was not measured.")
        )
    hour = numbers.money(machine.usd_per_hour)
    if cost.per_month_usd is None or not requests_per_month:
        return _("Its time on your machine costs about {case} a case, at {hour} an hour.").format(
            case=numbers.money(time.mean), hour=hour
        )
    return _(
        "With its time on your machine, at {hour} an hour, it comes to about {month} a month at {requests} requests."
    ).format(hour=hour, month=numbers.money(cost.per_month_usd), requests=numbers.count(requests_per_month))


def _evidence_without_choice(comparison: Comparison) -> tuple[str, ...]:
    best = next((c for c in ranked(comparison) if c.estimate), None)
    if best is None:
        return (_("No candidate has a score."),)
    found = [
        _("The highest score was {name}'s: {estimate}.").format(
            name=best.name, estimate=numbers.estimate(best.estimate)
        )
    ]
    out = len(comparison.decision.rejected)
    if out:
        found.append(
            ngettext("{n} of {all} candidates was ruled out.", "{n} of {all} candidates were ruled out.", out).format(
                n=out, all=len(comparison.candidates)
            )
        )
    return tuple(found)


def _some(names: tuple[str, ...]) -> str:
    if len(names) <= _NAMED:
        return numbers.listing(names)
    return ngettext("{n} other", "{n} others", len(names)).format(n=len(names))


def _meaning(comparison: Comparison) -> str:
    decision, others = comparison.decision, _some(peers(comparison))
    if decision.verdict == "winner" and decision.within:
        return _("It is the cheapest of those that are proven to be good enough for your goal.")
    if decision.verdict == "winner" and len(decision.qualifying) == 1:
        return _("It is the only candidate that meets your conditions.")
    if decision.verdict == "winner":
        return _("It meets your conditions, and the measurements separate it from everybody else who does.")
    if decision.verdict == "tie" and comparison.race.lanes:
        return _tied_in_a_race(comparison)
    if decision.verdict == "tie":
        if decision.cases_needed:
            return _(
                "{names} may be just as good: what was measured between them may be chance. About {n} cases would tell "
                "them apart; until then cost and speed decide."
            ).format(names=others, n=numbers.count(decision.cases_needed))
        return _(
            "{names} may be just as good: what was measured between them may be chance, so cost and speed decide."
        ).format(names=others)
    if decision.verdict == "none_qualifies" and decision.cases_needed:
        return _("On {n} cases or more, somebody might. Otherwise relax a condition, or add candidates.").format(
            n=numbers.count(decision.cases_needed)
        )
    if decision.verdict == "none_qualifies":
        return _("Every candidate misses at least one of them. Relax a condition, or add candidates.")
    if decision.cases_needed:
        return _("Measure about {n} cases before relying on any of these numbers.").format(
            n=numbers.count(decision.cases_needed)
        )
    return _("What was measured does not carry a ranking.")


def _tied_in_a_race(comparison: Comparison) -> str:
    """Why somebody is tied after a race: on these cases, or only for want of answers about future ones."""
    decision, info = comparison.decision, comparison.race
    lanes = {lane.candidate: lane for lane in info.lanes}
    others, compared = peers(comparison), race.rivals(comparison)
    leads = decision.chosen is not None and decision.chosen == race.winner(comparison)
    # Who was shown to be worse was shown to be worse than the race's leader.
    here = tuple(name for name in others if not leads or name in info.ties_here or name not in compared)
    if not here:
        return _(
            "On these cases it is shown to be better; on future cases like these, {names} may be just as good."
        ).format(names=_some(others))
    points = info.epsilon if leads else info.certificate
    settled = leads and all(name in lanes and lanes[name].state == "settled" for name in here)
    if info.finish not in {"proven", "quick"} or points is None or (leads and not settled):
        text = _("{names} may be just as good: the race ended before it could tell them apart.")
    elif settled and all(lanes[name].cases < lanes[name].planned for name in here):
        text = ngettext(
            "{names} may be just as good: the race stopped asking once it was shown not to be more than {points} "
            "points better.",
            "{names} may be just as good: the race stopped asking once they were shown not to be more than {points} "
            "points better.",
            len(here),
        )
    else:
        text = ngettext(
            "{names} may be just as good: all that was shown is that it is not more than {points} points better.",
            "{names} may be just as good: all that was shown is that they are not more than {points} points better.",
            len(here),
        )
    said = text.format(names=_some(here), points=numbers.at_most(points))
    later = tuple(name for name in others if name not in here)
    if not later:
        return said
    more = _("On future cases like these, also {names}.").format(names=_some(later))
    return _("{first} {second}").format(first=said, second=more)


def in_a_row(sentences: Iterable[str]) -> str:
    """Sentences one after another; no space follows a Chinese full stop."""
    found = ""
    for sentence in sentences:
        found += sentence if not found or found.endswith("。") else f" {sentence}"
    return found
