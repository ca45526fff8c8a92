"""
Names of shops, products, people, streets and towns that do not exist.

A word belongs either to the shops that are learned from or to those held back, by a checksum of the word; so no name
that examines a starter model was ever one that it learned.
"""

from __future__ import annotations

import tomllib
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from random import Random

_STARTS = (
    "b", "br", "c", "ch", "cl", "cr", "d", "dr", "f", "fl", "fr", "g", "gl", "gr", "h", "j", "k", "kl", "kn", "kr", "l",
    "m", "n", "p", "ph", "pl", "pr", "qu", "r", "s", "sch", "sh", "sk", "sl", "sn", "sp", "st", "str", "sv", "t", "th",
    "tr", "tw", "v", "w", "wh", "y", "z", "",
)  # fmt: skip
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ea", "oo", "ei", "ie", "ou", "au", "y", "ia", "ö", "é")
_VOWEL_WEIGHTS = (9, 9, 8, 8, 6, 2, 2, 2, 1, 1, 1, 1, 1, 1, 0.3, 0.3)
_MIDDLES = ("", "", "", "", "l", "n", "r", "m", "s", "rt", "nd", "v", "d", "lm", "ck", "t")
_ENDS = (
    "n", "l", "r", "m", "nd", "rk", "st", "th", "ck", "ss", "lt", "x", "rn", "sk", "ld", "", "", "", "a", "o", "y", "s",
    "en", "er", "in", "is", "us", "ng", "rd", "ff", "tt", "nt", "mp", "ck", "le", "ey", "ow", "ix", "et",
)  # fmt: skip
_STREETS = (
    "Street",
    "Road",
    "Lane",
    "Square",
    "Avenue",
    "Way",
    "Hill",
    "Gate",
    "Row",
    "Walk",
    "Place",
    "Terrace",
    "Quay",
)
_COURIERS = ("Post", "Express", "Parcels", "Cargo", "Couriers", "Logistics", "Freight", "Mail", "Delivery", "Transport")
_CLUBS = ("Club", "Circle", "Card", "Friends", "Plus", "Rewards", "Society", "Bonus", "Family", "Pass", "Stars", "Team")
_MODELS = ("Pro", "Plus", "Mini", "Max", "Air", "Lite", "One", "Classic", "Go")
_HELD_BACK_SHARE = 10
"""One word in so many is kept from training."""


def is_held_back(word: str) -> bool:
    """Whether a word may stand in names of held-back shops only; otherwise in those of others only."""
    return zlib.crc32(word.lower().encode()) % _HELD_BACK_SHARE == 0


@cache
def words(name: str) -> tuple[str, ...]:
    """One of the lists of `words.toml`."""
    text: str = tomllib.loads(files("touchstone.training.starter").joinpath("words.toml").read_text("utf-8"))[name]
    return tuple(part.strip() for part in (text.split("|") if "|" in text else text.split()))


@cache
def _split(name: str, held_back: bool) -> tuple[str, ...]:
    return tuple(word for word in words(name) if is_held_back(word) is held_back)


@dataclass(frozen=True)
class Draw:
    """Where names and values come from: a chance, and the side of the split."""

    rng: Random
    held_back: bool = False
    currency: str = "$"
    shop: str = ""
    """Name of the shop; its first word stands in addresses."""

    def choice(self, options: Sequence[str]) -> str:
        """One of some texts."""
        return options[int(self.rng.random() * len(options))]

    def any_of(self, options: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
        """One of some wordings."""
        return options[int(self.rng.random() * len(options))]

    def name(self, listed: str) -> str:
        """A word of a list, from this side of the split."""
        return self.choice(_split(listed, self.held_back))

    def invented(self, make: Callable[[Draw], str]) -> str:
        """A made-up word, from this side of the split."""
        while True:
            made = make(self)
            if len(made) > 2 and is_held_back(made) is self.held_back:
                return made.capitalize()


def _syllables(draw: Draw) -> str:
    rng = draw.rng
    vowels = rng.choices(_VOWELS, _VOWEL_WEIGHTS, k=3)
    text = draw.choice(_STARTS) + vowels[0]
    for place in range(int(rng.random() * 2.6)):
        text += draw.choice(_MIDDLES) + draw.choice(_STARTS) + vowels[place + 1]
    return text + draw.choice(_ENDS)


def _letters(draw: Draw) -> str:
    return "".join(draw.rng.choices("abcdefghijklmnopqrstuvwxyz", k=draw.rng.randint(3, 8)))


def _place(draw: Draw) -> str:
    middle = draw.choice(("", "", "", "", "en", "er", "ing", "s", "o", "a"))
    return draw.choice(words("place_starts")) + middle + draw.choice(words("place_ends"))


def proper(draw: Draw) -> str:
    """An invented name; some of them are letters in no order, so that names are copied and not guessed."""
    return draw.invented(_letters if draw.rng.random() < 0.06 else _syllables)


def place(draw: Draw) -> str:
    """A town."""
    share = draw.rng.random()
    if share < 0.55:
        return draw.invented(_place)
    if share < 0.93:
        return proper(draw)
    first = draw.choice(("New", "Saint", "Port", "Upper", "Lower", "Bad", "San", "North", "Old"))
    return f"{first} {draw.invented(_place) if share < 0.97 else proper(draw)}"


def person(draw: Draw) -> str:
    """First and last name, at times with a title or an initial."""
    rng = draw.rng
    first = draw.name("given") if rng.random() < 0.6 else proper(draw)
    share = rng.random()
    if share < 0.3:
        last = draw.name("family")
    elif share < 0.5:
        last = draw.invented(_place)
    elif share < 0.6:
        last = proper(draw) + "-" + draw.name("family")
    else:
        last = proper(draw)
    share = rng.random()
    if share < 0.03:
        return f"{draw.choice(('Dr', 'Ms', 'Mr', 'Mrs'))} {last}"
    return f"{first} {draw.choice('ABCDEFGHJKLMNPRSTW')}. {last}" if share < 0.06 else f"{first} {last}"


def street(draw: Draw) -> str:
    """A number and a street."""
    share = draw.rng.random()
    name = draw.name("street") if share < 0.4 else draw.name("plain") if share < 0.6 else proper(draw)
    number = f"{int(draw.rng.random() ** 2 * 240) + 1}{draw.choice(('', '', '', '', '', 'a', 'b'))}"
    return f"{number} {name} {draw.choice(_STREETS)}"


def label(draw: Draw) -> str:
    """What a product is called: an ordinary word, an invented one, or two."""
    share = draw.rng.random()
    if share < 0.42:
        return draw.name("plain")
    if share < 0.82:
        return proper(draw)
    if share < 0.87:
        return draw.invented(_place)
    if share < 0.95:
        return (
            f"{draw.name('plain')} {draw.choice(('Pro', 'Plus', 'Mini', 'Max', 'Air', 'Lite', 'One', 'Classic', 'Go'))}"
        )
    return f"{draw.name('plain')} {draw.name('plain')}"


def shop_name(draw: Draw) -> str:
    """A shop: an invented name and a trade, or two names."""
    share = draw.rng.random()
    first = proper(draw) if share < 0.6 else draw.name("plain")
    if share % 0.2 < 0.03:
        return f"{first} & {draw.name('plain') if share < 0.5 else draw.name('family')}"
    return f"{first} {draw.choice(words('trades'))}"


def company(draw: Draw) -> str:
    """A carrier."""
    return f"{proper(draw) if draw.rng.random() < 0.7 else draw.name('plain')} {draw.choice(_COURIERS)}"


def club(draw: Draw) -> str:
    """A programme for loyal customers."""
    share = draw.rng.random()
    first = proper(draw) if share < 0.4 else draw.name("plain") if share < 0.75 else draw.shop.split()[0]
    if share % 0.25 < 0.03:
        return f"the {first} {draw.choice(_CLUBS)}"
    return f"{first} {draw.choice(_CLUBS)}"
