"""Words that nobody has seen: names, codes, addresses, numbers, amounts, dates and times, drawn at random.

A model that has copied many of them copies the next one.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from random import Random

_ONSETS = [
    "b",
    "br",
    "c",
    "ch",
    "d",
    "dr",
    "f",
    "fl",
    "g",
    "gr",
    "h",
    "j",
    "k",
    "kl",
    "l",
    "m",
    "n",
    "p",
    "pr",
    "r",
    "s",
    "sh",
    "st",
    "t",
    "th",
    "tr",
    "v",
    "w",
    "z",
]
_VOWELS = ["a", "a", "e", "e", "i", "i", "o", "o", "u", "ai", "au", "ea", "ee", "ie", "oo", "ou", "y"]
_CODAS = ("", "", "", "l", "m", "n", "n", "r", "r", "s", "t", "ck", "nd", "ng", "rt", "tz", "ll", "ss")
_DOMAINS = ("com", "org", "net", "de", "fr", "es", "co.uk", "eu", "info", "io")
_PATHS = ("", "/", "/index.html", "/about", "/shop/item", "/news", "/en/help")
_SIGNS = ("€", "$", "£", " €", " EUR", " USD", "%", " kg", " km", " m", " cm", " MB", " °C")


def word(random: Random, syllables: int = 0) -> str:
    """An invented word in small letters."""
    count = syllables or random.choice((1, 2, 2, 2, 3, 3))
    parts = [random.choice(_ONSETS) + random.choice(_VOWELS) for _ in range(count)]
    return "".join(parts) + random.choice(_CODAS)


def single_name(random: Random) -> str:
    """ "Brolan"."""
    return word(random).capitalize()


def full_name(random: Random) -> str:
    """ "Brolan Tesh", sometimes "J. Tesh" or with a hyphen."""
    first, last = single_name(random), single_name(random)
    match random.randrange(8):
        case 0:
            return f"{first[0]}. {last}"
        case 1:
            return f"{first} {random.choice(string.ascii_uppercase)}. {last}"
        case 2:
            return f"{first}-{single_name(random)} {last}"
    return f"{first} {last}"


def code(random: Random) -> str:
    """ "AX-3021", "b7F9q2", "ISO 4711"."""
    letters = "".join(random.choices(string.ascii_uppercase, k=random.randrange(1, 5)))
    digits = "".join(random.choices(string.digits, k=random.randrange(1, 7)))
    match random.randrange(6):
        case 0:
            return f"{letters}{digits}"
        case 1:
            return f"{letters}-{digits}"
        case 2:
            return f"{digits}{letters}"
        case 3:
            return "".join(random.choices(string.ascii_letters + string.digits, k=random.randrange(5, 11)))
        case 4:
            return f"{letters}-{digits}-{random.choice(string.ascii_uppercase)}{random.randrange(100)}"
    return f"{letters}_{word(random)}{digits}"


def email(random: Random) -> str:
    """ "brolan.tesh@kelm.org"."""
    user = word(random) + random.choice((".", "_", "", str(random.randrange(100)))) + random.choice(("", word(random)))
    return f"{user}@{word(random)}{random.choice(('', '', '-' + word(random, 1)))}.{random.choice(_DOMAINS)}"


def url(random: Random) -> str:
    """ "https://www.kelm.org/about", "kelm.org"."""
    start = random.choice(("https://", "http://", "www.", "https://www.", ""))
    return f"{start}{word(random)}.{random.choice(_DOMAINS)}{random.choice(_PATHS)}"


def number(random: Random) -> str:
    """A whole number of up to seven digits."""
    digits = random.choice((1, 1, 2, 2, 3, 3, 4, 4, 5, 6, 7))
    return str(random.randrange(10 ** (digits - 1) if digits > 1 else 0, 10**digits))


def amount(random: Random) -> str:
    """ "€49.90", "1,250 USD", "37 %"."""
    value = random.choice((f"{random.randrange(1000)}", f"{random.randrange(1000)}.{random.randrange(100):02}"))
    if random.random() < 0.2:
        value = f"{random.randrange(1, 1000)},{random.randrange(1000):03}"
    sign = random.choice(_SIGNS)
    return f"{sign}{value}" if sign in "€$£" else f"{value}{sign}"


def date(random: Random) -> str:
    """ "2024-05-17", "17.05.2024", "5/17/24"."""
    year, month, day = random.randrange(1900, 2060), random.randrange(1, 13), random.randrange(1, 29)
    return random.choice(
        (
            f"{year}-{month:02}-{day:02}",
            f"{day:02}.{month:02}.{year}",
            f"{day}/{month}/{year}",
            f"{month}/{day}/{year % 100:02}",
        )
    )


def time(random: Random) -> str:
    """ "14:35", "9:05:10"."""
    hour, minute = random.randrange(24), random.randrange(60)
    return random.choice(
        (f"{hour}:{minute:02}", f"{hour:02}:{minute:02}", f"{hour}:{minute:02}:{random.randrange(60):02}")
    )


def of_shape(text: str, random: Random) -> str:
    """Other letters and digits in the same places: "AX-3021" becomes "QT-9947"."""

    def other(character: str) -> str:
        if character.isascii():
            if character.isdigit():
                return random.choice(string.digits)
            if character.islower():
                return random.choice(string.ascii_lowercase)
            if character.isupper():
                return random.choice(string.ascii_uppercase)
        return character

    return "".join(map(other, text))


NAMES: dict[str, Callable[[Random], str]] = {"single names": single_name, "full names": full_name}
NUMBERS: dict[str, Callable[[Random], str]] = {"numbers": number, "amounts": amount, "dates": date, "times": time}
CODES: dict[str, Callable[[Random], str]] = {"codes": code, "e-mail addresses": email, "URLs": url}
