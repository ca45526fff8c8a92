"""A sentence of the result, kept so that it can be said in either language."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import Field, model_validator

from touchstone.decision.base import Reason, unsigned_zero
from touchstone.noun import Noun
from touchstone.reporting.failures import retold


class Note(Noun):
    """
    One sentence for people, kept as template and values so that it can be said in either language.

    A `Reason` of the decision, or a plain string, may stand wherever a note is expected and becomes one.
    """

    template: str
    """A message id; without `values` it is the finished sentence."""
    values: Mapping[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _sentence(cls, given: Any) -> Any:
        """A plain string is a sentence of its own: that is how notes come back from the JSON result."""
        if isinstance(given, Reason):
            return {"template": given.template, "values": given.values}
        return {"template": given} if isinstance(given, str) else given

    def text(self, translate: Callable[[str], str] = str) -> str:
        """The sentence in the reader's language; why a call failed, which is kept in English, is said in it too."""
        line = translate(self.template)
        if not self.values:
            return retold(line, translate)
        told = {"reason": retold(str(self.values["reason"]), translate)} if "reason" in self.values else {}
        return line.format(**{name: unsigned_zero(value) for name, value in {**self.values, **told}.items()})
