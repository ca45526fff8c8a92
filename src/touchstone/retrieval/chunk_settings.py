"""Sizes of passages, checked alike by every way to cut."""

from __future__ import annotations

from touchstone.errors import InvalidValue

SIZE = 200
"""
Estimated tokens of a passage where nothing is said: about 800 English characters, a long paragraph. A default to start
from, not the best: the search over sizes is for that.
"""
MOST = 8192
"""Larger passages are no passages any more."""


def check_sizes(size: int, overlap: int = 0) -> None:
    """
    Raises:
        InvalidValue: the size is none, or the overlap takes more than half of it.
    """
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= MOST:
        raise InvalidValue("size is {size!r}; write estimated tokens from 1 to {most}", size=size, most=MOST)
    if isinstance(overlap, bool) or not isinstance(overlap, int) or not 0 <= overlap <= size // 2:
        raise InvalidValue(
            "overlap is {overlap!r}; write estimated tokens from 0 to half the size, {most}",
            overlap=overlap,
            most=size // 2,
        )
