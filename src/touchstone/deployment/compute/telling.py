"""Tokens as they are written, told as pieces of text that never have to be taken back."""

from __future__ import annotations

from collections.abc import Callable, Sequence

_HALF = "\ufffd"
"""What bytes that are no whole character yet are decoded to."""


class Stopped(Exception):
    """Nobody waits for the answer any more."""


class Telling:
    """
    Told of each token, tells the text that is sure.

    Two windows of tokens are decoded each time, not all of them: their difference is what the new tokens add, also
    where a tokenizer writes a word's space with the word before it. What may be the beginning of a stop text, or half a
    character, is held back.

    Args:
        decode: Tokens to text.
        stop: Texts before which writing ends.
        tell: Called with each piece.
        stopped: Whether nobody waits any more.
    """

    def __init__(
        self,
        decode: Callable[[Sequence[int]], str],
        *,
        stop: Sequence[str],
        tell: Callable[[str], None],
        stopped: Callable[[], bool],
    ) -> None:
        self._decode = decode
        self._held_back = max((len(one) for one in stop), default=1) - 1
        self._tell = tell
        self._stopped = stopped
        self._numbers: list[int] = []
        self._from, self._to = 0, 0
        self._sure = ""
        self.told = ""
        """Everything that was told so far."""

    def hear(self, number: int) -> None:
        """
        One more token was chosen.

        Raises:
            Stopped: writing on is of no use.
        """
        if self._stopped():
            raise Stopped
        self._numbers.append(number)
        before = self._decode(self._numbers[self._from : self._to])
        now = self._decode(self._numbers[self._from :])
        if now.endswith(_HALF) or not now.startswith(before):
            return
        self._from, self._to = self._to, len(self._numbers)
        self._sure += now[len(before) :]
        self._pass_on(self._sure[: max(0, len(self._sure) - self._held_back)])

    def end(self, text: str) -> bool:
        """
        Tell what is left of the whole text.

        Returns:
            Whether what was told is its beginning; where it is not, the pieces are not the answer.
        """
        if not text.startswith(self.told):
            return False
        self._sure = text
        self._pass_on(text)
        return True

    def _pass_on(self, sure: str) -> None:
        piece = sure[len(self.told) :]
        if piece:
            self.told += piece
            self._tell(piece)
