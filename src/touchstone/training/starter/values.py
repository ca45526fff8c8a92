"""Invented values for facts of shops that do not exist; nothing here stands for a real person, place or company."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from touchstone.training.starter.names import Draw, club, company, person, place, street, words

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December")  # fmt: skip
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")
_NUMBERS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_MINUTES = (5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 60, 75, 90, 120)
_MAILS = ("help", "hello", "service", "info", "care", "team", "shop", "contact", "office", "support", "orders", "mail")


def _below(draw: Draw, most: float) -> int:
    """1 to `most`, small numbers more often."""
    return 1 + int(draw.rng.random() ** 1.7 * most)


def _money(draw: Draw, most: int) -> str:
    rng = draw.rng
    whole = _below(draw, most)
    amount = f"{whole:,}"
    if rng.random() < 0.75:
        cents = draw.choice(("00", "50", "90", "95", "99")) if rng.random() < 0.35 else f"{int(rng.random() * 100):02d}"
        amount += f".{cents}"
    return f"{draw.currency}{amount}" if len(draw.currency) == 1 else f"{amount} {draw.currency}"


def _round_money(draw: Draw) -> str:
    amount = 5 * _below(draw, 40) if draw.rng.random() < 0.7 else _below(draw, 200)
    return f"{draw.currency}{amount}" if len(draw.currency) == 1 else f"{amount} {draw.currency}"


def _hour(draw: Draw, first: int, last: int) -> str:
    rng = draw.rng
    hour = rng.randint(first, last)
    share = rng.random()
    minutes = "" if share < 0.65 else ":30" if share < 0.9 else draw.choice((":15", ":45"))
    if hour == 12 and not minutes and share < 0.3:
        return "noon"
    return f"{hour}{minutes} am" if hour < 12 else f"{hour - 12 or 12}{minutes} pm"


def _hours(draw: Draw) -> str:
    rng = draw.rng
    if rng.random() < 0.85:
        text = f"from {_hour(draw, 6, 11)} to {_hour(draw, 13, 22)}"
    else:
        minutes = (":00", ":30")
        text = f"from {rng.randint(6, 11)}{draw.choice(minutes)} to {rng.randint(13, 22)}{draw.choice(minutes)}"
    if rng.random() < 0.25:
        first = rng.randrange(4)
        text = f"{WEEKDAYS[first]} to {WEEKDAYS[rng.randint(first + 1, 6)]} {text}"
    return text


def _span(draw: Draw, unit: str, most: int) -> str:
    number = _below(draw, most) if most < 30 or draw.rng.random() < 0.5 else 1 + int(draw.rng.random() * most)
    if number in range(2, 13) and draw.rng.random() < 0.1:
        return f"{_NUMBERS[number - 2]} {unit}s"
    return f"{number} {unit}" + ("s" if number > 1 else "")


def _days(draw: Draw) -> str:
    rng = draw.rng
    share = rng.random()
    if share < 0.25:
        first = rng.randint(1, 9)
        return f"{first} to {first + rng.randint(1, 5)} {draw.choice(('days', 'days', 'working days', 'weeks'))}"
    if share < 0.28:
        return draw.choice(("24 hours", "48 hours", "72 hours", "half a year", "a year", "a week", "a fortnight"))
    unit = draw.choice(("day", "day", "day", "day", "working day", "business day", "week"))
    return _span(draw, unit, 12 if unit == "week" else rng.choice((14, 60, 100)))


def _code(draw: Draw) -> str:
    rng = draw.rng
    if rng.random() < 0.3:
        return f"{draw.name('plain').upper()}{draw.choice(('', '-', ''))}{rng.randint(2, 99)}"
    letters = "".join(rng.choices("ABCDEFGHJKLMNPQRSTUVWXYZ", k=rng.randint(1, 4)))
    return f"{letters}{draw.choice(('', '-', '-', ' '))}{rng.randint(2, draw.rng.choice((99, 999, 9999)))}"


def _listed(draw: Draw, listed: str, most: int) -> str:
    chosen = draw.rng.sample(words(listed), draw.rng.randint(1, most))
    return chosen[0] if len(chosen) == 1 else f"{', '.join(chosen[:-1])} and {chosen[-1]}"


def _phone(draw: Draw) -> str:
    rng = draw.rng
    share = rng.random()
    if share < 0.6:
        return f"0{rng.randint(10, 9999)} {rng.randint(1000, 9999999)}"
    if share < 0.8:
        return f"+{rng.randint(1, 99)} {rng.randint(10, 999)} {rng.randint(100, 999)} {rng.randint(1000, 9999)}"
    return f"0{rng.randint(10, 999)}-{rng.randint(10, 999)}-{rng.randint(10, 9999)}"


def _mail(draw: Draw) -> str:
    host = "".join(letter for letter in draw.shop.split()[0].lower() if letter.isascii() and letter.isalpha())
    return f"{draw.choice(_MAILS)}@{host or 'shop'}.{draw.choice(('example', 'example', 'test', 'example.com'))}"


def _size(draw: Draw) -> str:
    rng = draw.rng
    unit = draw.choice(("cm", "cm", "cm", "mm", "m"))
    if unit == "m":
        return f"{rng.randint(1, 9)}.{rng.randint(1, 9)} m"
    count = draw.rng.choice((1, 1, 2, 2, 3))
    return " x ".join(str(_below(draw, 240)) for _ in range(count)) + f" {unit}"


def _weight(draw: Draw) -> str:
    rng = draw.rng
    share = rng.random()
    if share < 0.35:
        return f"{rng.randint(20, 990)} g"
    return f"{_below(draw, 60)} kg" if share < 0.6 else f"{rng.randint(0, 40)}.{rng.randint(1, 9)} kg"


def _date(draw: Draw) -> str:
    day, month = draw.rng.randint(1, 28), draw.choice(_MONTHS)
    share = draw.rng.random()
    return f"{day} {month}" if share < 0.7 else f"{month} {day}" if share < 0.85 else f"the end of {month}"


_NEEDED = ("the receipt", "the original box", "a member card", "an appointment", "the label", "a deposit")
_SPOILT = ("the box was opened", "it was used", "it was on sale", "the seal is broken", "it was made to order")
_CONDITIONS: tuple[Callable[[Draw], str], ...] = (
    lambda draw: f"after the {draw.choice(_ORDINALS)} {draw.choice(('order', 'visit', 'month', 'year'))}",
    lambda draw: f"from the {draw.choice(_ORDINALS)} {draw.choice(('item', 'piece', 'order', 'parcel'))} on",
    lambda draw: f"if you order {draw.choice(('more than', 'at least'))} {_below(draw, 12) + 1} pieces",
    lambda draw: f"for orders over {_round_money(draw)}",
    lambda draw: f"only {draw.choice(('with', 'with', 'without'))} {draw.choice(_NEEDED)}",
    lambda draw: f"unless {draw.choice(_SPOILT)}",
    lambda draw: f"up to {_weight(draw)}",
    lambda draw: f"on the {draw.choice(_ORDINALS[:4])} {draw.choice(WEEKDAYS)} of the month",
    lambda draw: f"within {_days(draw)} of the purchase",
)


def _condition(draw: Draw) -> str:
    return draw.rng.choice(_CONDITIONS)(draw)


def _litres(draw: Draw) -> str:
    rng = draw.rng
    return f"{_below(draw, 120)} litres" if rng.random() < 0.5 else f"{rng.randint(0, 9)}.{rng.randint(1, 9)} litres"


def _count(draw: Draw) -> str:
    number = 1 + _below(draw, draw.rng.choice((11, 60, 400)))
    return _NUMBERS[number - 2] if number < 13 and draw.rng.random() < 0.15 else str(number)


Make = Callable[[Draw], str]
"""Invents a value."""

VALUES: Mapping[str, Make] = {
    "age": lambda draw: _span(draw, "year", 17),
    "aisle": lambda draw: f"aisle {_below(draw, 40)}",
    "amps": lambda draw: f"{_below(draw, 2400)} {draw.choice(('watts', 'W'))}",
    "city": place,
    "club": club,
    "code": _code,
    "colours": lambda draw: _listed(draw, "colours", 4),
    "company": company,
    "condition": _condition,
    "count": _count,
    "date": _date,
    "days": _days,
    "degrees": lambda draw: f"{draw.choice(('20', '30', '40', '50', '60', '90', '95', '110', '180'))} degrees",
    "email": _mail,
    "floor": lambda draw: draw.choice(("the ground floor", *(f"the {each} floor" for each in _ORDINALS[:5]))),
    "hour": lambda draw: _hour(draw, 7, 21),
    "hours": _hours,
    "hours_span": lambda draw: _span(draw, "hour", 72),
    "litres": _litres,
    "material": lambda draw: _listed(draw, "materials", draw.rng.choice((1, 1, 2, 3))),
    "minutes": lambda draw: f"{draw.rng.choice(_MINUTES)} minutes",
    "money": lambda draw: _money(draw, draw.rng.choice((20, 60, 300, 1500))),
    "month": lambda draw: draw.choice(_MONTHS),
    "months": lambda draw: _span(draw, "month", 48),
    "percent": lambda draw: f"{_below(draw, 60)}%",
    "person": person,
    "phone": _phone,
    "round_money": _round_money,
    "size": _size,
    "street": street,
    "weekday": lambda draw: draw.choice(WEEKDAYS),
    "weight": _weight,
    "year": lambda draw: str(draw.rng.randint(1850, 2024)),
    "years": lambda draw: _span(draw, "year", 25),
    "yes_no": lambda draw: "yes" if draw.rng.random() < 0.5 else "no",
}
"""How the value of each kind of fact is invented."""
