"""What the front door takes and gives besides tasks and reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, field_serializer

from touchstone.evaluation.base import BuildCost
from touchstone.noun import Noun
from touchstone.reporting import numbers
from touchstone.reporting.notes import Note

Translate = Callable[[str], str]


_SHORTEST_MINUTES = 0.1
"""What takes less is not told more exactly."""


class CompareOptions(Noun):
    """What one run is told on top of its task file."""

    max_usd: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Cap on the money of this run; overrides the task file's."""
    repeats: int = Field(default=1, ge=1)
    offline: bool = False
    """Use stored replies only."""
    full: bool = False
    """Ask every candidate every case; without it a race asks rivals no more once they are settled."""
    new: bool = False
    """Begin anew although an unfinished comparison of this task began with something else."""
    retry_failed: bool = False
    """Ask again where calls had failed."""
    beside: bool = False
    """Measured beside another comparison, which is the one that is shown: `latest` never means this one."""


class Demands(Noun):
    """What the winner must be, where it differs from the task file; None leaves the task file's word."""

    goal: str | None = None
    min_score: float | None = None
    max_usd_per_month: float | None = None
    max_usd_per_case: float | None = None
    max_p95_latency_s: float | None = None
    max_refused_share: float | None = None
    licence: str | None = None
    self_hostable: bool | None = None
    requests_per_month: float | None = None
    without: tuple[str, ...] = ()
    """Constraints of the task that are dropped."""


class Files(Noun):
    """Which files are written, and where."""

    report: Path | None = None
    markdown: Path | None = None
    junit: Path | None = None


def cap_sentence(cap_usd: float, firm: bool, translate: Translate, spent_usd: float = 0.0) -> str:
    """Whether a cap holds at every instant, may be passed by what is in flight, or is reached already."""
    _ = translate
    if spent_usd >= cap_usd:
        template = _("The cap of {cap} is reached: {spent} was spent, so nothing that costs money is asked")
    elif firm:
        template = _("The cap of {cap} holds at every instant: every call has an output limit")
    else:
        template = _("The cap of {cap} may be passed by what is in flight: give every candidate and judge max_tokens")
    return template.format(cap=numbers.money(cap_usd), spent=numbers.money(spent_usd))


def _build_line(build: BuildCost, unknown: str, translate: Translate) -> str:
    _ = translate
    return _("    built first: {calls} calls, expected USD {usd}, {seconds} s").format(
        calls=build.calls,
        usd=unknown if build.usd is None else f"${build.usd:.4f}",
        seconds=unknown if build.took_s is None else f"{build.took_s:.0f}",
    )


def _too_long_line(candidate: PlannedCandidate, found: TooLong, translate: Translate) -> str:
    return translate(
        "    {count:,} of {calls:,} calls will fail: it reads at most {most:,} tokens and is asked up to {longest:,}; "
        "shorten the system text, examples or passages"
    ).format(count=found.calls, calls=candidate.calls, most=found.most, longest=found.longest)


class TooLong(Noun):
    """Calls that will fail, because what is asked is longer than what the model reads."""

    calls: int
    most: int
    """Tokens that it reads."""
    longest: int
    """Tokens of the longest request."""


class PlannedFinding(Noun):
    """What was found while candidates were planned, and whom it concerns."""

    candidates: tuple[str, ...]
    text: Note
    blocks: bool
    """Whether nobody may claim, while it stands, that one of these is better than another."""

    @field_serializer("text")
    def _sentence(self, text: Note) -> str:
        return text.text()

    def line(self, translate: Translate) -> str:
        """The finding for people."""
        _ = translate
        named = numbers.listing(self.candidates)
        text = self.text.text(_)
        if self.blocks:
            return _("No gain of {candidates} can be claimed: {reason}").format(candidates=named, reason=text)
        # Some findings name their candidate themselves; the template tells, for other languages have other colons.
        opening = "{name}: " if self.text.values.get("name") == named else f"{named}: "
        return text if self.text.template.startswith(opening) else _("{name}: {text}").format(name=named, text=text)


class PlannedCandidate(Noun):
    """What a run would ask of one candidate."""

    name: str
    strategy: str
    calls: int
    """Calls that would be made; stored replies are not asked again."""
    paid: bool
    remote: bool = False
    """Whether somebody outside this process is asked."""
    input_tokens: int | None = None
    """Estimated at four bytes a token; None for candidates that are not asked over a network."""
    low_usd: float | None = None
    """Input alone; None when the price is unknown."""
    expected_usd: float | None = None
    worst_usd: float | None = None
    """One token per input byte and every output at its limit, 4,096 tokens where a request sets none."""
    worst_call_usd: float | None = None
    """The dearest of its calls at worst; None when the price is unknown."""
    build: BuildCost | None = None
    """What has to be built first will take; None where nothing is left to build."""
    too_long: TooLong | None = None
    """None where everything fits, and where nobody here knows how the model counts."""


class Plan(Noun):
    """What a run would do, before anybody is asked."""

    task: str
    cases: int
    train: int
    dev: int
    candidates: tuple[PlannedCandidate, ...]
    described: str
    minutes: float
    """How long the calls would take at this concurrency, without a race."""
    minutes_assumed: bool
    """Whether the time of a call is assumed, because none was measured."""
    race: bool
    """Whether rivals that are settled are asked no more, so that all of this is an upper end."""
    race_calls: int | None = None
    """As many calls of candidates the race makes at most; None where their number is not fixed."""
    cap_usd: float | None = None
    cap_is_firm: bool = True
    """Whether every call has an output limit, so that the cap holds at every instant; else it may be passed by what is
    in flight."""
    spent_usd: float = 0.0
    """What earlier sessions of this run spent, which counts towards the cap."""
    minimum_detectable_difference: float | None
    cases_needed: int | None
    """Cases for a difference as small as the task's epsilon, but at least one point."""
    difference: float
    """The difference `cases_needed` is about."""
    findings: tuple[PlannedFinding, ...] = ()
    """What was found while the candidates were planned, what blocks a claim first."""
    warnings: tuple[str, ...] = ()

    def lines(self, translate: Translate) -> list[str]:
        """The plan for people."""
        _ = translate
        found = [
            _("Task {task}: {cases} test cases, {train} to learn from, {dev} to tune on").format(
                task=self.task, cases=self.cases, train=self.train, dev=self.dev
            ),
            self.described,
        ]
        for candidate in self.candidates:
            if not candidate.remote:
                found.append(
                    _("  {name}: {calls} answers, in this process, free").format(
                        name=candidate.name, calls=candidate.calls
                    )
                )
                continue
            unknown = _("unknown")
            money = [
                unknown if usd is None else f"${usd:.4f}"
                for usd in (candidate.low_usd, candidate.expected_usd, candidate.worst_usd)
            ]
            found.append(
                _(
                    "  {name}: {calls} calls, about {tokens} input tokens; "
                    "USD low {low}, expected {expected}, worst {worst}"
                ).format(
                    name=candidate.name,
                    calls=candidate.calls,
                    tokens=candidate.input_tokens if candidate.input_tokens is not None else unknown,
                    low=money[0],
                    expected=money[1],
                    worst=money[2],
                )
            )
            if candidate.build is not None:
                found.append(_build_line(candidate.build, unknown, _))
            if candidate.too_long is not None:
                found.append(_too_long_line(candidate, candidate.too_long, _))
        remote = [candidate for candidate in self.candidates if candidate.remote]
        if remote:
            found.append(self._total(_))
        found.extend(self._building(_))
        if self.race_calls is not None and remote:
            found.append(
                _("race.calls: the candidates get at most {calls:,} calls in all; --full makes them all").format(
                    calls=self.race_calls
                )
            )
        elif self.race and self.remote_calls:
            found.append(
                _("A race asks settled rivals no more: usually a tenth to a half of these calls; --full makes them all")
            )
        if self.cap_usd is not None and remote:
            found.append(cap_sentence(self.cap_usd, self.cap_is_firm, _, self.spent_usd))
        if self.minimum_detectable_difference is not None:
            found.append(
                _("These cases can show a difference of {points:.1f} points (80 % power, 5 % error)").format(
                    points=100 * self.minimum_detectable_difference
                )
            )
        if self.cases_needed is not None:
            found.append(
                _("A difference of {points:.1f} points would need {cases:,} cases").format(
                    points=100 * self.difference, cases=self.cases_needed
                )
            )
        found.extend(one.line(_) for one in self.findings)
        found.extend(self.warnings)
        return found

    def _building(self, translate: Translate) -> Iterator[str]:
        """What building takes in all, which the sum of the calls leaves out; time as far as it is known."""
        _ = translate
        builds = [one.build for one in self.candidates if one.build is not None]
        usd = _sum([build.usd for build in builds])
        if usd is None or usd > 0:
            yield _("  Building comes on top: {calls:,} calls, expected USD {usd}").format(
                calls=sum(build.calls for build in builds), usd=_("unknown") if usd is None else f"${usd:.4f}"
            )
        took = [build.took_s for build in builds]
        known = [seconds for seconds in took if seconds is not None]
        if not known:
            return
        minutes = sum(known) / 60
        line = _("  Built first, in all: about {minutes} minutes").format(
            minutes=f"{minutes:.1f}" if minutes < 10 else f"{minutes:.0f}"
        )
        left = len(took) - len(known)
        yield line + (_(", and what {count} others take, which nobody knows yet").format(count=left) if left else "")

    def _total(self, translate: Translate) -> str:
        _ = translate
        low, expected, worst = (_("unknown") if usd is None else f"${usd:.4f}" for usd in self.money)
        minutes = f"{self.minutes:.1f}" if self.minutes < 10 else f"{self.minutes:.0f}"
        line = _("  In all: {calls:,} calls, USD low {low}, expected {expected}, worst {worst}; {time}").format(
            calls=self.remote_calls,
            low=low,
            expected=expected,
            worst=worst,
            time=_("less than 0.1 minutes")
            if self.minutes < _SHORTEST_MINUTES
            else _("about {minutes} minutes").format(minutes=minutes),
        )
        return line + (_(" (2 s a call assumed)") if self.minutes_assumed else "")

    @property
    def remote_calls(self) -> int:
        """Calls of somebody outside this process, with no more of the candidates' than the race may make."""
        return self._answers() + sum(one.calls for one in self.candidates if one.strategy == "judge")

    @property
    def money(self) -> tuple[float | None, float | None, float | None]:
        """USD at the low end, expected, and at worst, over everybody who is asked; None where a price is unknown."""
        remote = [one for one in self.candidates if one.remote]
        low, expected, worst = (_sum(usd) for usd in zip(*self._needed(remote), strict=True)) if remote else (0.0,) * 3
        return low, expected, worst

    def _answers(self) -> int:
        calls = sum(one.calls for one in self.candidates if one.remote and one.strategy != "judge")
        return calls if self.race_calls is None else min(calls, self.race_calls)

    def _needed(self, remote: Sequence[PlannedCandidate]) -> Iterator[tuple[float | None, ...]]:
        """Low, expected and worst of each; where the calls are fixed, at worst the dearest of them are made."""
        left = self._answers()
        calls = sum(one.calls for one in remote if one.strategy != "judge")
        share = left / calls if calls else 1.0
        for one in sorted(remote, key=lambda one: -(one.worst_call_usd or 0.0)):
            if one.strategy == "judge":
                yield one.low_usd, one.expected_usd, one.worst_usd
                continue
            made = min(left, one.calls)
            left -= made
            worst = one.worst_usd
            if worst is not None and one.worst_call_usd is not None:
                worst = min(worst, made * one.worst_call_usd)
            yield _part(one.low_usd, share), _part(one.expected_usd, share), worst


def _sum(usd: Sequence[float | None]) -> float | None:
    known = [one for one in usd if one is not None]
    return sum(known) if len(known) == len(usd) else None


def _part(usd: float | None, share: float) -> float | None:
    return None if usd is None else share * usd


class StoredComparison(Noun):
    """A comparison in the store, as a list shows it."""

    id: str
    created: str
    task: str
    path: str | None = None
    """Where its task file lay; None in comparisons that do not say so."""
    digest: str | None = None
    """SHA-256 of that file's text: a copy of it goes on with the same comparison."""
    state: Literal["running", "finished", "stopped"]
    cases: int | None
    candidates: int
    models: tuple[str, ...] = ()
    """What its candidates asked, each named once."""
    verdict: str | None = None
    chosen: str | None = None
    excluded: int = 0
    """Cases that somebody has left out since."""
    corrected: int = 0
    """Cases whose right answer somebody has corrected since."""

    def counted(self, translate: Translate) -> str:
        """How many cases it is about, with what was changed about them."""
        if not self.excluded and not self.corrected:
            return str(self.cases)
        said = [str(self.cases)]
        if self.excluded:
            said.append(translate("{n} left out").format(n=self.excluded))
        if self.corrected:
            said.append(translate("{n} corrected").format(n=self.corrected))
        return ", ".join(said)

    def sentence(self, translate: Translate) -> str:
        """The decision in a few words."""
        if self.verdict is None:
            # When a case is changed, what was decided is forgotten until somebody decides again.
            is_open = self.state != "finished" and not (self.excluded or self.corrected)
            return translate("not finished") if is_open else translate("cases were changed; decide again")
        words = {
            "winner": translate("{chosen} wins"),
            "tie": translate("tie; {chosen} chosen"),
            "none_qualifies": translate("nobody qualifies"),
            "insufficient": translate("not enough evidence"),
        }
        return words[self.verdict].format(chosen=self.chosen)


class WrittenTask(Noun):
    """What `init` wrote."""

    path: Path
    described: str
    kind: str
    counts: dict[str, int]
    problems: tuple[str, ...] = ()

    def lines(self, translate: Translate) -> list[str]:
        """What was written and what to do next, for people."""
        found = [translate("wrote {path}").format(path=self.path)]
        if self.described:
            found.append(self.described)
        found.extend(self.problems)
        found.append(translate("next: touchstone compare {path}").format(path=self.path))
        return found
