"""The base of every noun: frozen, closed, documented."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Noun(BaseModel):
    """
    A value that never changes after it was made.

    Frozen is shallow, so fields hold tuples rather than lists. A docstring under a field becomes its description in
    schemas and pages. `None` means unknown, never zero.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
