"""So many cases of a split, drawn so that a draw holds every smaller one."""

from __future__ import annotations

from collections.abc import Sequence

from touchstone.data.base import Case
from touchstone.data.digests import digest64
from touchstone.errors import SettingsError


def drawn_cases(cases: Sequence[Case], wanted: int | None, seed: int, name: str) -> Sequence[Case]:
    """
    As many cases as are wanted, in the order of their file; all where nobody says how many.

    A draw holds every smaller one, so that candidates of a learning curve differ by what was added.

    Args:
        cases: With a target.
        wanted: At least 1.
        seed: Of the draw.
        name: The candidate's, for errors.

    Raises:
        SettingsError: there are not so many.
    """
    if wanted is None:
        return cases
    if wanted > len(cases):
        raise SettingsError(
            "{name}: train_cases is {value} and the train split has {n} cases with a target; lower it or add cases",
            name=name,
            value=wanted,
            n=len(cases),
        )
    places = sorted(range(len(cases)), key=lambda place: (digest64(str(seed), cases[place].id), place))[:wanted]
    return [cases[place] for place in sorted(places)]
