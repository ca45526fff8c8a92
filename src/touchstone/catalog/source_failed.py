"""The error of a live source, apart from the door to it, which loads all that a connection needs."""

from __future__ import annotations

from touchstone.errors import TouchstoneError


class SourceFailed(TouchstoneError):
    """
    A live source gave nothing that can be used; what was kept from before is still there.

    Attributes:
        status: The HTTP status, None when it did not come to one.
    """

    def __init__(self, template: str, /, *, status: int | None = None, **values: object) -> None:
        self.status = status
        super().__init__(template, **values)
