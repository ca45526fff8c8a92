"""Invented names and values for shops that do not exist; nothing here stands for a real person, place or company."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

_STARTS = (
    "b", "br", "c", "cl", "d", "dr", "f", "fl", "g", "gr", "h", "j", "k", "kl", "l", "m", "n", "p", "pr", "r", "s",
    "sk", "st", "t", "tr", "v", "w", "z",
)  # fmt: skip
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ea", "oo", "ei")
_ENDS = ("n", "l", "r", "m", "nd", "rk", "st", "th", "ck", "ss", "lt", "x", "rn", "sk", "ld")
_TRADES = (
    "Outdoor", "Books", "Bikes", "Toys", "Kitchen", "Garden", "Audio", "Shoes", "Pets", "Coffee", "Tools", "Music",
    "Lamps", "Textiles", "Sports", "Paper", "Tea", "Watches", "Camping", "Home",
)  # fmt: skip
_THINGS = (
    "backpack", "tent", "lamp", "kettle", "jacket", "headset", "speaker", "bicycle", "helmet", "mug", "grinder", "desk",
    "chair", "blanket", "radio", "camera", "drill", "scale", "clock", "puzzle", "kite", "stove", "bottle", "bag", "pan",
    "rug", "shelf", "bench", "mower", "hose", "leash", "basket", "boots", "gloves", "scarf", "tripod", "keyboard",
    "printer", "toaster", "mixer",
)  # fmt: skip
_COLOURS = (
    "red", "blue", "green", "black", "white", "grey", "yellow", "orange", "brown", "purple", "sand", "navy", "olive",
    "silver", "pink", "mint",
)  # fmt: skip
_MATERIALS = (
    "oak", "steel", "wool", "cotton", "leather", "glass", "bamboo", "nylon", "ceramic", "aluminium", "linen", "cork",
    "copper", "felt", "pine", "canvas",
)  # fmt: skip
_STREETS = ("Street", "Road", "Lane", "Square", "Avenue", "Way", "Hill")
_COURIERS = ("Post", "Express", "Parcels", "Cargo", "Couriers", "Logistics")
_CLUBS = ("Club", "Circle", "Card", "Friends", "Plus", "Rewards")
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December")  # fmt: skip


def word(rng: Random, syllables: int = 2) -> str:
    """An invented word in lower case."""
    parts = [rng.choice(_STARTS) + rng.choice(_VOWELS) for _ in range(syllables)]
    return "".join(parts) + rng.choice(_ENDS)


def proper(rng: Random, syllables: int = 2) -> str:
    """An invented name."""
    return word(rng, rng.randint(1, syllables)).capitalize()


def shop_name(rng: Random) -> str:
    """A shop: an invented name and a trade."""
    return f"{proper(rng)} {rng.choice(_TRADES)}"


def product_name(rng: Random) -> str:
    """A product: an invented name, at times a number, and what it is."""
    number = f" {rng.randint(2, 99)}" if rng.random() < 0.3 else ""
    return f"{proper(rng)}{number} {rng.choice(_THINGS)}"


def _money(rng: Random, currency: str, most: int = 60) -> str:
    return f"{currency}{rng.randint(1, most)}.{rng.choice(('00', '50', '90', '95', '99', '25', '75'))}"


def _hour(rng: Random, first: int, last: int) -> str:
    hour = rng.randint(first, last)
    half = rng.choice(("", "", ":30"))
    return f"{hour}{half} am" if hour < 12 else f"{hour - 12 or 12}{half} pm"


def _hours(rng: Random) -> str:
    text = f"from {_hour(rng, 7, 11)} to {_hour(rng, 15, 22)}"
    if rng.random() < 0.4:
        first = rng.randrange(4)
        text = f"{WEEKDAYS[first]} to {WEEKDAYS[rng.randint(first + 1, 6)]} {text}"
    return text


def _span(rng: Random, unit: str, most: int) -> str:
    number = rng.randint(1, most)
    return f"{number} {unit}" + ("s" if number > 1 else "")


def _days(rng: Random) -> str:
    if rng.random() < 0.25:
        first = rng.randint(1, 9)
        return f"{first} to {first + rng.randint(1, 5)} days"
    return _span(rng, rng.choice(("day", "day", "day", "working day", "week")), 60 if rng.random() < 0.5 else 14)


def _code(rng: Random) -> str:
    letters = "".join(rng.choice("ABCDEFGHJKLMNPRSTVWXZ") for _ in range(rng.randint(2, 4)))
    return f"{letters}{rng.choice(('', '-'))}{rng.randint(2, 9999)}"


def _colours(rng: Random) -> str:
    chosen = rng.sample(_COLOURS, rng.randint(1, 3))
    return chosen[0] if len(chosen) == 1 else f"{', '.join(chosen[:-1])} and {chosen[-1]}"


Make = Callable[[Random, str, str], str]
"""(chance, currency sign, name of the shop) to a value."""

VALUES: Mapping[str, Make] = {
    "age": lambda rng, _c, _n: f"{rng.randint(3, 18)} years",
    "city": lambda rng, _c, _n: proper(rng, 3),
    "club": lambda rng, _c, name: f"{rng.choice((proper(rng), name.split()[0]))} {rng.choice(_CLUBS)}",
    "code": lambda rng, _c, _n: _code(rng),
    "colours": lambda rng, _c, _n: _colours(rng),
    "company": lambda rng, _c, _n: f"{proper(rng)} {rng.choice(_COURIERS)}",
    "count": lambda rng, _c, _n: str(rng.randint(2, rng.choice((12, 60, 400)))),
    "date": lambda rng, _c, _n: f"{rng.randint(1, 28)} {rng.choice(_MONTHS)}",
    "days": lambda rng, _c, _n: _days(rng),
    "degrees": lambda rng, _c, _n: f"{rng.choice((20, 30, 40, 50, 60, 90, 95))} degrees",
    "email": lambda rng, _c, name: (
        f"{rng.choice(('help', 'hello', 'service', 'info', 'care', 'team', 'shop'))}@{name.split()[0].lower()}.example"
    ),
    "hour": lambda rng, _c, _n: _hour(rng, 8, 20),
    "hours": lambda rng, _c, _n: _hours(rng),
    "hours_span": lambda rng, _c, _n: _span(rng, "hour", 72),
    "litres": lambda rng, _c, _n: (
        f"{rng.randint(1, 90)} litres" if rng.random() < 0.7 else f"0.{rng.randint(2, 9)} litres"
    ),
    "material": lambda rng, _c, _n: (
        rng.choice(_MATERIALS) if rng.random() < 0.6 else " and ".join(rng.sample(_MATERIALS, 2))
    ),
    "minutes": lambda rng, _c, _n: f"{rng.choice((5, 10, 15, 20, 25, 30, 40, 45, 60, 90, 120))} minutes",
    "money": lambda rng, currency, _n: _money(rng, currency, rng.choice((20, 20, 300))),
    "month": lambda rng, _c, _n: rng.choice(_MONTHS),
    "months": lambda rng, _c, _n: _span(rng, "month", 36),
    "percent": lambda rng, _c, _n: f"{rng.randint(1, 40)}%",
    "person": lambda rng, _c, _n: f"{proper(rng)} {proper(rng)}",
    "phone": lambda rng, _c, _n: f"0{rng.randint(10, 999)} {rng.randint(1000, 999999)}",
    "round_money": lambda rng, currency, _n: (
        f"{currency}{rng.choice((5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 60, 75, 80, 90, 100, 120, 150, 200))}"
    ),
    "street": lambda rng, _c, _n: f"{rng.randint(1, 180)} {proper(rng)} {rng.choice(_STREETS)}",
    "weekday": lambda rng, _c, _n: rng.choice(WEEKDAYS),
    "weight": lambda rng, _c, _n: (
        f"{rng.randint(50, 990)} g" if rng.random() < 0.5 else f"{rng.randint(1, 30)}.{rng.randint(1, 9)} kg"
    ),
    "year": lambda rng, _c, _n: str(rng.randint(1880, 2024)),
    "years": lambda rng, _c, _n: _span(rng, "year", 15),
}
"""How the value of each kind of attribute is invented."""
