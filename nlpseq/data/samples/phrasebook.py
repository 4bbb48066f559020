"""A traveller's phrase book, English to French: the bundled sample of the translation task.

``pairs()`` yields several thousand (english, french) sentence pairs.  A part of them is written out by hand
(``phrases.PHRASES``); the rest is put together here by a small grammar: tables of words, functions for
agreement, elision and contraction, and sentence frames with slots such as ``("Where is {the}?", "Où est {le} ?")``.

All of it is the project's own text, written for nlpseq and copied from no other source, so it comes under the
project's licence.  Nothing is random: every call yields the same pairs in the same order.

The French is the formal French of a traveller ("vous").  Typography: a plain apostrophe, and a normal space before
``?``, ``!``, ``:`` and ``;``.  Where English leaves the gender of the speaker open, the French takes the masculine.
Every English sentence has exactly one French translation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from typing import TypeVar

from .phrases import (
    AILMENTS,
    ALLERGENS,
    BEAUTIFUL,
    BEFORE,
    BELONGINGS,
    BIG,
    BODY,
    CHRONIC,
    CITIES,
    CLOTHES,
    COLORS,
    COUNTRIES,
    DAYS,
    DELICIOUS,
    ENGLISH_ORDINALS,
    ENGLISH_TENS,
    ENGLISH_UNITS,
    ERRANDS,
    EXPENSIVE,
    FACILITIES,
    FOODS,
    FRENCH_TENS,
    FRENCH_UNITS,
    GOOD,
    GOODS,
    HOBBIES,
    INDOORS,
    JOBS,
    LANGUAGES,
    LATER,
    LEFT_WHERE,
    LONG,
    MACHINES,
    MATERIALS,
    MEDICINES,
    MONTHS,
    NAMES,
    NATIONALITIES,
    NOW,
    ORDERS,
    PEOPLE,
    PHRASES,
    PLACES,
    PRODUCE,
    REMEDY_FOR,
    ROOM_THINGS,
    ROOMS,
    SHORT,
    SMALL,
    SURNAMES,
    TIGHT,
    WEATHER,
    Adjective,
    Noun,
    Pair,
)

A = TypeVar("A")
B = TypeVar("B")


# ---------------------------------------------------------------------------------------------------------------
# The grammar
# ---------------------------------------------------------------------------------------------------------------

VOWELS = frozenset("aàâeéèêëiîïoôuùûüœæ")
# Words before which nothing is elided although they begin with a vowel letter or an h (the "h aspiré").
NO_ELISION = frozenset({"hamburger", "haricots", "homard", "homards", "huit", "onze"})


def elides(french: str) -> bool:
    """Whether "le", "de", "que" ... lose their vowel before this French text."""
    word = french.lower().replace("-", " ").replace("'", " ").split()[0]
    return word not in NO_ELISION and (word[0] in VOWELS or word[0] == "h")


def of(french: str) -> str:
    """de gare, d'eau"""
    return f"d'{french}" if elides(french) else f"de {french}"


def definite(noun: Noun) -> str:
    """le pain, la gare, l'hôtel, les toilettes"""
    if noun.plural:
        return f"les {noun.french}"
    if elides(noun.french):
        return f"l'{noun.french}"
    return f"{'la' if noun.gender == 'f' else 'le'} {noun.french}"


def indefinite(noun: Noun) -> str:
    """un hôtel, une gare, des toilettes"""
    return f"{'des' if noun.plural else 'une' if noun.gender == 'f' else 'un'} {noun.french}"


def contracted(preposition: str, noun: Noun) -> str:
    """à or de with the definite article: au pain, du pain, à la gare, de l'hôtel, aux toilettes, des toilettes"""
    merged = {"à": ("au", "aux"), "de": ("du", "des")}[preposition]
    if noun.plural:
        return f"{merged[1]} {noun.french}"
    if noun.gender == "m" and not elides(noun.french):
        return f"{merged[0]} {noun.french}"
    return f"{preposition} {definite(noun)}"


def to_place(noun: Noun) -> str:
    """au musée, à la gare, à l'hôtel, aux toilettes"""
    return contracted("à", noun)


def from_place(noun: Noun) -> str:
    """du musée, de la gare, de l'hôtel, des toilettes"""
    return contracted("de", noun)


def partitive(noun: Noun) -> str:
    """du pain, de la confiture, de l'eau, des frites: the same words as de with the article"""
    return contracted("de", noun)


def demonstrative(noun: Noun) -> str:
    """ce sac, cet hôtel, cette robe, ces chaussures"""
    if noun.plural:
        return f"ces {noun.french}"
    if noun.gender == "f":
        return f"cette {noun.french}"
    return f"{'cet' if elides(noun.french) else 'ce'} {noun.french}"


def possessive(letter: str, noun: Noun) -> str:
    """m: mon sac, ma valise, mon écharpe, mes clés; likewise s: son, sa, ses"""
    if noun.plural:
        return f"{letter}es {noun.french}"
    if noun.gender == "f" and not elides(noun.french):
        return f"{letter}a {noun.french}"
    return f"{letter}on {noun.french}"


def agree(adjective: Adjective, gender: str, plural: bool = False) -> str:
    """The French adjective in the form that goes with a noun of this gender and number."""
    if adjective.invariable:
        return adjective.masculine
    form = adjective.masculine
    if gender == "f":
        form = adjective.feminine or (form if form.endswith("e") else form + "e")
    elif plural and adjective.masculine_plural:
        return adjective.masculine_plural
    return form + "s" if plural and form[-1] not in "sx" else form


def colored(noun: Noun, color: Adjective) -> Noun:
    """dress, red -> red dress, robe rouge"""
    french = f"{noun.french} {agree(color, noun.gender, noun.plural)}"
    return Noun(f"{color.english} {noun.english}", french, noun.gender, noun.tags, noun.plural, noun.english_plural)


def in_country(country: Noun) -> str:
    """en France, en Iran, au Japon, aux États-Unis"""
    if country.plural:
        return f"aux {country.french}"
    if country.gender == "f" or elides(country.french):
        return f"en {country.french}"
    return f"au {country.french}"


def from_country(country: Noun) -> str:
    """de France, d'Iran, du Japon, des États-Unis"""
    if country.plural:
        return f"des {country.french}"
    if country.gender == "f" or elides(country.french):
        return of(country.french)
    return f"du {country.french}"


def english_a(english: str) -> str:
    """a station, an airport, a university"""
    vowel = english[0].lower() in "aeiou" and not english.startswith(("uni", "euro", "one"))
    return f"{'an' if vowel else 'a'} {english}"


def english_number(number: int) -> str:
    """twenty-one; for 0 to 69"""
    if number < 20:
        return ENGLISH_UNITS[number]
    tens, unit = divmod(number, 10)
    return ENGLISH_TENS[tens] + (f"-{ENGLISH_UNITS[unit]}" if unit else "")


def french_number(number: int, gender: str = "m") -> str:
    """vingt et un, vingt et une; for 0 to 69"""
    if number < 20:
        return "une" if number == 1 and gender == "f" else FRENCH_UNITS[number]
    tens, unit = divmod(number, 10)
    if unit == 0:
        return FRENCH_TENS[tens]
    if unit == 1:
        return f"{FRENCH_TENS[tens]} et {french_number(1, gender)}"
    return f"{FRENCH_TENS[tens]}-{FRENCH_UNITS[unit]}"


def english_ordinal(number: int) -> str:
    """first, twentieth, twenty-first; for 1 to 39"""
    if number < 20:
        return ENGLISH_ORDINALS[number]
    tens, unit = divmod(number, 10)
    return f"{ENGLISH_TENS[tens]}-{ENGLISH_ORDINALS[unit]}" if unit else ENGLISH_TENS[tens][:-1] + "ieth"


def french_day(number: int) -> str:
    """The day of a date: premier, deux, trois ..."""
    return "premier" if number == 1 else french_number(number)


def counted(number: int, english: str, french: str, gender: str = "m") -> Pair:
    """("two nights", "deux nuits"), ("one night", "une nuit")"""
    ending = "" if number == 1 else "s"
    return f"{english_number(number)} {english}{ending}", f"{french_number(number, gender)} {french}{ending}"


def price(euros: int, cents: int = 0) -> Pair:
    """("two euros fifty", "deux euros cinquante")"""
    english, french = counted(euros, "euro", "euro")
    return (f"{english} {english_number(cents)}", f"{french} {french_number(cents)}") if cents else (english, french)


def clock(hour: int, minute: int) -> Pair:
    """A time of the twelve-hour clock as it is said; the minutes are a multiple of five."""
    following = hour % 12 + 1
    named = "midi" if hour == 12 else counted(hour, "", "heure", "f")[1]
    named_next = "midi" if following == 12 else counted(following, "", "heure", "f")[1]
    past, to = english_number(hour), english_number(following)
    if minute == 0:
        return ("noon", "midi") if hour == 12 else (f"{past} o'clock", named)
    if minute == 15:
        return f"a quarter past {past}", f"{named} et quart"
    if minute == 30:
        return f"half past {past}", f"{named} et {'demi' if hour == 12 else 'demie'}"
    if minute == 45:
        return f"a quarter to {to}", f"{named_next} moins le quart"
    if minute < 30:
        return f"{english_number(minute)} past {past}", f"{named} {french_number(minute)}"
    return f"{english_number(60 - minute)} to {to}", f"{named_next} moins {french_number(60 - minute)}"


# ---------------------------------------------------------------------------------------------------------------
# Frames: an English and a French sentence with the same slots
# ---------------------------------------------------------------------------------------------------------------


@cache
def noun_slots(noun: Noun, suffix: str = "") -> dict[str, str]:
    """Everything that a frame may say about a noun, by the name of the slot (with the suffix of a second noun)."""
    english, many = noun.is_english_plural, noun.plural
    this_word = "these" if english else "this"
    plural_english, plural_french = noun.many or (f"{noun.english}s", f"{noun.french}s")
    slots = {
        # English
        "noun": noun.english,
        "a": noun.english if english else english_a(noun.english),
        "the": f"the {noun.english}",
        "this": f"{this_word} {noun.english}",
        "this_word": this_word,
        "nouns": plural_english,
        "is": "are" if english else "is",
        "does": "do" if english else "does",
        "has": "have" if english else "has",
        "s": "" if english else "s",
        "his": "their" if many else "her" if noun.gender == "f" else "his",
        # French
        "nom": noun.french,
        "le": definite(noun),
        "un": indefinite(noun),
        "du": partitive(noun),
        "de": of(noun.french),
        "de_un": of(noun.french) if many else f"d'{indefinite(noun)}",
        "au": to_place(noun),
        "de_le": from_place(noun),
        "ce": demonstrative(noun),
        "mon": possessive("m", noun),
        "son": possessive("s", noun),
        "votre": f"{'vos' if many else 'votre'} {noun.french}",
        "le_plus": "les plus" if many else "la plus" if noun.gender == "f" else "le plus",
        "noms": plural_french,
        "est": "sont" if many else "est",
        "cest": "ce sont" if many else "c'est",
        "vont": "vont" if many else "va",
        "nt": "nt" if many else "",
        "e": ("e" if noun.gender == "f" else "") + ("s" if many else ""),
        "pl": "s" if many else "",
    }
    return {name + suffix: text for name, text in slots.items()}


def capital(sentence: str) -> str:
    """The sentence with a capital at its start."""
    return sentence[0].upper() + sentence[1:]


def fill(frame: Pair, noun: Noun | None = None, other: Noun | None = None, /, **more: str) -> Pair:
    """The frame with its slots filled: those of the nouns (``{the2}`` ... for the other one) and any more."""
    slots = dict(noun_slots(noun)) if noun else {}
    if other:
        slots.update(noun_slots(other, "2"))
    slots.update(more)
    return capital(frame[0].format_map(slots)), capital(frame[1].format_map(slots))


def tagged(nouns: Sequence[Noun], tag: str) -> list[Noun]:
    """The nouns that have this tag."""
    return [noun for noun in nouns if tag in noun.tags.split()]


def fill_all(frames: Iterable[Pair], nouns: Iterable[Noun], /, **more: str) -> Iterator[Pair]:
    """Every frame with every noun."""
    nouns = list(nouns)
    for frame in frames:
        for noun in nouns:
            yield fill(frame, noun, **more)


def mix(first: Iterable[A], second: Sequence[B], each: int = 1, start: int = 0) -> Iterator[tuple[A, B]]:
    """Every item of the first with ``each`` items of the second, which are taken in turn, beginning at ``start``."""
    turn = start
    for item in first:
        for _ in range(each):
            yield item, second[turn % len(second)]
            turn += 1


TIMES = tuple(clock(hour, minute) for minute in (0, 30, 15, 45, 10, 20, 50, 5, 40, 55) for hour in range(1, 13))
DATES = tuple((day, MONTHS[day * 5 % 12]) for day in range(1, 31)) + tuple((1, month) for month in MONTHS)


# ---------------------------------------------------------------------------------------------------------------
# The topics
# ---------------------------------------------------------------------------------------------------------------


def the_way() -> Iterator[Pair]:
    """Asking and telling the way in town."""
    yield from fill_all(
        (
            ("Where is {the}?", "Où est {le} ?"),
            ("Excuse me, where is {the}, please?", "Excusez-moi, où est {le}, s'il vous plaît ?"),
            ("I am looking for {the}.", "Je cherche {le}."),
            ("How do I get to {the}?", "Comment fait-on pour aller {au} ?"),
            ("Is this the way to {the}?", "C'est bien le chemin pour aller {au} ?"),
            ("Is {the} far from here?", "Est-ce que {le} est loin d'ici ?"),
            ("Could you show me {the} on the map?", "Pourriez-vous me montrer {le} sur le plan ?"),
            ("Go straight on as far as {the}.", "Continuez tout droit jusqu'{au}."),
            ("Turn right after {the}.", "Tournez à droite après {le}."),
            ("I do not know where {the} is.", "Je ne sais pas où est {le}."),
        ),
        PLACES,
    )
    yield from fill_all(
        (
            ("Is there {a} near here?", "Y a-t-il {un} près d'ici ?"),
            ("Where is the nearest {noun}?", "Où est {le} {le_plus} proche ?"),
            ("There is {a} at the end of the street.", "Il y a {un} au bout de la rue."),
            ("{the} is just around the corner.", "{le} est juste au coin de la rue."),
        ),
        tagged(PLACES, "near"),
    )
    yield from fill_all((("I am at {the}.", "Je suis {au}."),), tagged(PLACES, "at"))
    yield from fill_all((("We are coming from {the}.", "Nous venons {de_le}."),), tagged(PLACES, "at"))
    outside = ("airport", "lighthouse", "old town", "city centre", "campsite", "beach", "hospital", "bus station")
    town = [place for place in PLACES if place.english not in outside]
    neighbours = (
        (("{the} is next to {the2}.", "{le} est à côté {de_le2}."), 5),
        (("{the} is opposite {the2}.", "{le} est en face {de_le2}."), 11),
        (("{the} is behind {the2}.", "{le} est derrière {le2}."), 16),
        (("Is {the} near {the2}?", "Est-ce que {le} est près {de_le2} ?"), 29),
    )
    for frame, start in neighbours:
        for place, other in mix(town, town, start=start):
            yield fill(frame, place, other)
    for place, number in mix(PLACES, (2, 5, 10, 15, 20)):
        minutes, french_minutes = counted(number, "minute", "minute", "f")
        frame = ("{the} is {n} from here on foot.", "{le} est à {d} d'ici à pied.")
        yield fill(frame, place, n=minutes, d=french_minutes)
    for place, number in mix(tagged(PLACES, "ride"), (3, 6, 8, 4, 12)):
        distance, french_distance = counted(number, "kilometre", "kilomètre")
        yield fill(("{the} is {n} away.", "{le} est à {d} d'ici."), place, n=distance, d=french_distance)
    for place, (time, heure) in mix(tagged(PLACES, "at"), TIMES):
        frame = ("Let's meet in front of {the} at {time}.", "Retrouvons-nous devant {le} à {heure}.")
        yield fill(frame, place, time=time, heure=heure)


def opening_hours() -> Iterator[Pair]:
    """What is open when, and what is worth a visit."""
    places = tagged(PLACES, "hours")
    yield from fill_all(
        (
            ("What time does {the} open?", "À quelle heure ouvre {le} ?"),
            ("What time does {the} close?", "À quelle heure ferme {le} ?"),
            ("Is {the} open today?", "Est-ce que {le} est ouvert{e} aujourd'hui ?"),
            ("{the} is already closed.", "{le} est déjà fermé{e}."),
        ),
        places,
    )
    for frame, start in (
        (("{the} is closed on {day}s.", "{le} est fermé{e} le {jour}."), 0),
        (("Is {the} open on {day}s?", "Est-ce que {le} est ouvert{e} le {jour} ?"), 3),
    ):
        for place, (day, jour) in mix(places, DAYS, start=start):
            yield fill(frame, place, day=day, jour=jour)
    for frame, hours in (
        (("{the} opens at {time}.", "{le} ouvre à {heure}."), (7, 8, 9, 10, 11)),
        (("{the} closes at {time}.", "{le} ferme à {heure}."), (4, 5, 6, 7, 8)),
    ):
        times = [clock(hour, minute) for minute in (0, 30, 15, 45) for hour in hours]
        for place, (time, heure) in mix(places, times):
            yield fill(frame, place, time=time, heure=heure)
    yield from fill_all(
        (
            ("We would like to visit {the}.", "Nous voudrions visiter {le}."),
            ("Is there a guided tour of {the}?", "Y a-t-il une visite guidée {de_le} ?"),
            ("How old is {the}?", "De quand date {le} ?"),
        ),
        tagged(PLACES, "visit"),
    )
    for place in tagged(PLACES, "visit"):
        yield fill(("{the} is very beautiful.", "{le} est très {beau}."), place, beau=agree(BEAUTIFUL, place.gender))


def in_the_building() -> Iterator[Pair]:
    """Finding things in a station, a shop or a hotel."""
    yield from fill_all(
        (
            ("Where {is} {the}?", "Où {est} {le} ?"),
            ("Could you tell me where {the} {is}, please?", "Pourriez-vous me dire où {est} {le}, s'il vous plaît ?"),
            ("I cannot find {the}.", "Je ne trouve pas {le}."),
            ("{the} {is} over there.", "{le} {est} là-bas."),
            ("{the} {is} on the left.", "{le} {est} à gauche."),
            ("{the} {is} on the right.", "{le} {est} à droite."),
            ("{the} {is} at the end of the corridor.", "{le} {est} au bout du couloir."),
            ("Follow the signs to {the}.", "Suivez les panneaux jusqu'{au}."),
        ),
        INDOORS,
    )
    upstairs = ("{the} {is} on the first floor.", "{le} {est} au premier étage.")
    yield from fill_all((upstairs,), tagged(INDOORS, "floor"))


def by_bus_and_taxi() -> Iterator[Pair]:
    """Town transport."""
    yield from fill_all(
        (
            ("To {the}, please.", "{au}, s'il vous plaît."),
            ("Does this bus go to {the}?", "Est-ce que ce bus va {au} ?"),
            ("Where do I get off for {the}?", "Où dois-je descendre pour aller {au} ?"),
            ("How much is a taxi to {the}?", "Combien coûte un taxi pour aller {au} ?"),
            ("Which bus goes to {the}?", "Quel bus va {au} ?"),
            ("Could you take us to {the}?", "Pourriez-vous nous conduire {au} ?"),
        ),
        tagged(PLACES, "ride"),
    )
    for place, number in mix(tagged(PLACES, "ride"), range(2, 61, 7)):
        frame = ("Take bus number {n} to {the}.", "Prenez le bus numéro {d} jusqu'{au}.")
        yield fill(frame, place, n=english_number(number), d=french_number(number))


CITY_FRAMES: tuple[Pair, ...] = (
    ("A single ticket to {city}, please.", "Un aller simple pour {ville}, s'il vous plaît."),
    ("A return ticket to {city}, please.", "Un aller-retour pour {ville}, s'il vous plaît."),
    ("How much is a ticket to {city}?", "Combien coûte un billet pour {ville} ?"),
    ("What time does the next train to {city} leave?", "À quelle heure part le prochain train pour {ville} ?"),
    ("What time does the last train to {city} leave?", "À quelle heure part le dernier train pour {ville} ?"),
    ("Which platform does the train to {city} leave from?", "De quel quai part le train pour {ville} ?"),
    ("Is this the train to {city}?", "C'est bien le train pour {ville} ?"),
    ("Does this train stop in {city}?", "Est-ce que ce train s'arrête à {ville} ?"),
    ("Is there a direct train to {city}?", "Y a-t-il un train direct pour {ville} ?"),
    ("Do I have to change in {city}?", "Est-ce que je dois changer à {ville} ?"),
    ("How long is the journey to {city}?", "Combien de temps dure le voyage jusqu'à {ville} ?"),
    ("The train from {city} is late.", "Le train en provenance {de_ville} est en retard."),
    ("The train to {city} has been cancelled.", "Le train pour {ville} est supprimé."),
    ("I missed my train to {city}.", "J'ai raté mon train pour {ville}."),
    ("I come from {city}.", "Je viens {de_ville}."),
    ("Do you live in {city}?", "Habitez-vous à {ville} ?"),
    ("We are going to {city} tomorrow.", "Nous allons à {ville} demain."),
    ("We spent three days in {city}.", "Nous avons passé trois jours à {ville}."),
)


def by_train() -> Iterator[Pair]:
    """Trains, coaches and planes."""
    for frame in CITY_FRAMES:
        for city, ville in CITIES:
            yield fill(frame, city=city, ville=ville, de_ville=of(ville))
    for (city, ville), (time, heure) in mix(CITIES, TIMES, each=2, start=3):
        frame = ("The train to {city} leaves at {time}.", "Le train pour {ville} part à {heure}.")
        yield fill(frame, city=city, ville=ville, time=time, heure=heure)
    for (city, ville), (time, heure) in mix(CITIES, TIMES, each=2, start=44):
        frame = ("We arrive in {city} at {time}.", "Nous arrivons à {ville} à {heure}.")
        yield fill(frame, city=city, ville=ville, time=time, heure=heure)
    for (city, ville), (day, jour) in mix(CITIES, DAYS, each=2):
        frame = ("Two tickets to {city} for {day}.", "Deux billets pour {jour} à destination {de_ville}.")
        yield fill(frame, city=city, de_ville=of(ville), day=day, jour=jour)
    for (city, ville), number in mix(CITIES, range(5, 60, 10)):
        frame = ("The train from {city} is {n} minutes late.", "Le train {de_ville} a {d} minutes de retard.")
        n, d = english_number(number), french_number(number, "f")
        yield fill(frame, city=city, ville=ville, de_ville=of(ville), n=n, d=d)
    for (city, ville), number in mix(CITIES, range(1, 24)):
        frame = ("The train to {city} leaves from platform {n}.", "Le train pour {ville} part du quai numéro {d}.")
        yield fill(frame, city=city, ville=ville, n=english_number(number), d=french_number(number))
    for vehicle, departure in (("bus", "bus"), ("plane", "avion"), ("boat", "bateau"), ("ferry", "ferry")):
        noun = Noun(vehicle, departure, "m")
        yield from fill_all(
            (
                ("What time does {the} leave?", "À quelle heure part {le} ?"),
                ("What time does {the} arrive?", "À quelle heure arrive {le} ?"),
                ("{the} is late.", "{le} est en retard."),
                ("{the} is full.", "{le} est complet."),
                ("Has {the} already left?", "Est-ce que {le} est déjà parti ?"),
                ("I missed {the}.", "J'ai raté {le}."),
            ),
            (noun,),
        )
        for time, heure in TIMES[len(vehicle) : 60 : 6]:
            yield fill(("{the} leaves at {time}.", "{le} part à {heure}."), noun, time=time, heure=heure)


def countries_and_languages() -> Iterator[Pair]:
    """Where people come from, and what they speak."""
    frames = (
        ("I come from {noun}.", "Je viens {de_pays}."),
        ("We live in {noun}.", "Nous habitons {en_pays}."),
        ("Do you know {noun}?", "Connaissez-vous {le} ?"),
        ("I would like to visit {noun} one day.", "J'aimerais visiter {le} un jour."),
        ("How much is a stamp for {noun}?", "Combien coûte un timbre pour {le} ?"),
        ("I would like to send this letter to {noun}.", "Je voudrais envoyer cette lettre {en_pays}."),
        ("My sister works in {noun}.", "Ma sœur travaille {en_pays}."),
    )
    for frame in frames:
        for country in COUNTRIES:
            yield fill(frame, country, en_pays=in_country(country), de_pays=from_country(country))
    for country, (month, mois) in mix(COUNTRIES, MONTHS):
        frame = ("We are going to {noun} in {month}.", "Nous allons {en_pays} en {mois}.")
        yield fill(frame, country, en_pays=in_country(country), month=month, mois=mois)
    for nationality in NATIONALITIES:
        english, masculine = nationality.english, agree(nationality, "m")
        yield f"I am {english}.", f"Je suis {masculine}."
        yield f"Are you {english}?", f"Êtes-vous {masculine} ?"
        yield f"My husband is {english}.", f"Mon mari est {masculine}."
        yield f"My wife is {english}.", f"Ma femme est {agree(nationality, 'f')}."
        yield f"Our friends are {english}.", f"Nos amis sont {agree(nationality, 'm', True)}."
    for english, french in LANGUAGES:
        yield f"Do you speak {english}?", f"Parlez-vous {french} ?"
        yield f"I speak a little {english}.", f"Je parle un peu {french}."
        yield f"I do not speak {english}.", f"Je ne parle pas {french}."
        yield f"Does anyone here speak {english}?", f"Est-ce que quelqu'un ici parle {french} ?"
        yield f"How do you say that in {english}?", f"Comment dit-on cela en {french} ?"
        yield f"Do you have a menu in {english}?", f"Avez-vous une carte en {french} ?"
        yield f"Is there a guide who speaks {english}?", f"Y a-t-il un guide qui parle {french} ?"
        yield f"My children are learning {english}.", f"Mes enfants apprennent {definite(Noun(english, french, 'm'))}."
        yield f"I would like to learn {english}.", f"J'aimerais apprendre {definite(Noun(english, french, 'm'))}."


def ordering() -> Iterator[Pair]:
    """Ordering in a café or a restaurant."""
    yield from fill_all(
        (
            ("I would like {a}, please.", "Je voudrais {un}, s'il vous plaît."),
            ("{a}, please.", "{un}, s'il vous plaît."),
            ("Two {nouns}, please.", "Deux {noms}, s'il vous plaît."),
            ("Three {nouns} and the bill, please.", "Trois {noms} et l'addition, s'il vous plaît."),
            ("Could I have {a}?", "Pourrais-je avoir {un} ?"),
            ("For me, {a}.", "Pour moi, {un}."),
            ("I did not order {a}.", "Je n'ai pas commandé {de}."),
            ("Another {noun}, please.", "Encore {un}, s'il vous plaît."),
            ("Would you like {a}?", "Voulez-vous {un} ?"),
            ("How much is {the}?", "Combien coûte {le} ?"),
            ("I am still waiting for my {noun}.", "J'attends toujours {mon}."),
        ),
        ORDERS,
    )
    eats, drinks = tagged(ORDERS, "eat"), tagged(ORDERS, "drink")
    for dish, drink in mix(eats, drinks, each=2):
        yield fill(("{a} and {a2}, please.", "{un} et {un2}, s'il vous plaît."), dish, drink)
    for order, other in mix(ORDERS, ORDERS, start=9):
        yield fill(("I ordered {a}, not {a2}.", "J'ai commandé {un}, pas {un2}."), order, other)
    for order, person in mix(ORDERS, [person for person in PEOPLE if not person.plural], each=2):
        yield fill(("My {noun2} will have {a}.", "{mon2} va prendre {un}."), order, person)
    for dish in eats:
        yield fill(("{the} is delicious.", "{le} est {bon}."), dish, bon=agree(DELICIOUS, dish.gender))
        yield fill(("Is {the} good here?", "Est-ce que {le} est {bon} ici ?"), dish, bon=agree(GOOD, dish.gender))
    yield from fill_all(
        (
            ("{the} is cold.", "{le} est froid{e}."),
            ("Please be careful, {the} is very hot.", "Attention, {le} est très chaud{e}."),
        ),
        tagged(ORDERS, "hot"),
    )
    yield from fill_all(
        (("For dessert, I will have {a}.", "En dessert, je vais prendre {un}."),), tagged(ORDERS, "dessert")
    )
    yield from fill_all(
        (("As a main course, I will have {a}.", "Comme plat principal, je vais prendre {un}."),),
        tagged(ORDERS, "main"),
    )


def at_table() -> Iterator[Pair]:
    """Asking for things at table; tastes, diets and allergies."""
    yield from fill_all(
        (
            ("Could I have some {noun}, please?", "Pourrais-je avoir {du}, s'il vous plaît ?"),
            ("Could you bring us some {noun}?", "Pourriez-vous nous apporter {du} ?"),
            ("Would you like some {noun}?", "Voulez-vous {du} ?"),
            ("Pass me the {noun}, please.", "Passez-moi {le}, s'il vous plaît."),
            ("There {is} no {noun} left.", "Il n'y a plus {de}."),
        ),
        tagged(FOODS, "table"),
    )
    singular = [food for food in tagged(FOODS, "table") if not food.plural]
    yield from fill_all((("A little more {noun}, please.", "Encore un peu {de}, s'il vous plaît."),), singular)
    yield from fill_all(
        (
            ("{is} there any {noun} in this dish?", "Y a-t-il {du} dans ce plat ?"),
            ("There {is} no {noun} in this sauce.", "Il n'y a pas {de} dans cette sauce."),
            ("Without {noun}, please.", "Sans {nom}, s'il vous plaît."),
        ),
        tagged(FOODS, "dish"),
    )
    yield from fill_all(
        (
            ("I do not eat {noun}.", "Je ne mange pas {de}."),
            ("Do you eat {noun}?", "Mangez-vous {du} ?"),
            ("My daughter does not eat {noun}.", "Ma fille ne mange pas {de}."),
        ),
        tagged(FOODS, "eat"),
    )
    yield from fill_all(
        (
            ("I love {noun}.", "J'adore {le}."),
            ("I do not like {noun}.", "Je n'aime pas {le}."),
            ("Do you like {noun}?", "Aimez-vous {le} ?"),
        ),
        tagged(FOODS, "like"),
    )
    eats = tagged(FOODS, "eat")
    for food, other in mix(eats, eats, start=1):
        yield fill(("I prefer {noun} to {noun2}.", "Je préfère {le} {au2}."), food, other)
    for drink in tagged(FOODS, "drink"):
        yield fill(("I do not drink {noun}.", "Je ne bois pas {de}."), drink)
        yield fill(("Do you drink {noun}?", "Buvez-vous {du} ?"), drink)
    yield from fill_all(
        (
            ("I am allergic to {noun}.", "Je suis allergique {au}."),
            ("My son is allergic to {noun}.", "Mon fils est allergique {au}."),
            ("Are you allergic to {noun}?", "Êtes-vous allergique {au} ?"),
        ),
        ALLERGENS,
    )
    yield from fill_all(
        (
            ("Does this contain {noun}?", "Est-ce que cela contient {du} ?"),
            ("Can I have this dish without {noun}?", "Puis-je avoir ce plat sans {nom} ?"),
        ),
        tagged(ALLERGENS, "food"),
    )
    meal_times = [clock(hour, minute) for minute in (0, 30, 15) for hour in (12, 1, 7, 8, 9)]
    for number in range(1, 13):
        people, personnes = counted(number, "person", "personne", "f")
        people = "one" if number == 1 else people.removesuffix(" persons")
        yield f"A table for {people}, please.", f"Une table pour {personnes}, s'il vous plaît."
        for (day, jour), (time, heure) in mix(DAYS[number % 3 :: 3], meal_times, start=number * 3):
            yield (
                f"I would like to book a table for {people} on {day} at {time}.",
                f"Je voudrais réserver une table pour {personnes}, {jour} à {heure}.",
            )


def at_the_market() -> Iterator[Pair]:
    """Fruit and vegetables."""
    yield from fill_all(
        (
            ("A kilo of {noun}, please.", "Un kilo {de}, s'il vous plaît."),
            ("I would like half a kilo of {noun}.", "Je voudrais un demi-kilo {de}."),
            ("How much are the {noun}?", "Combien coûtent {le} ?"),
            ("Where do these {noun} come from?", "D'où viennent {ce} ?"),
            ("Do you have any organic {noun}?", "Avez-vous {un} bio ?"),
            ("We have no {noun} left.", "Nous n'avons plus {de}."),
        ),
        PRODUCE,
    )
    for noun, number in mix(PRODUCE, range(2, 8)):
        n, d = english_number(number), french_number(number)
        yield fill(("{the} cost {n} euros a kilo.", "{le} coûtent {d} euros le kilo."), noun, n=n, d=d)
        very_good = ("These {noun} are very good.", "{ce} sont très {bon}.")
        yield fill(very_good, noun, bon=agree(GOOD, noun.gender, True))
    yield from fill_all((("Are the {noun} ripe?", "Est-ce que {le} sont mûr{e} ?"),), tagged(PRODUCE, "fruit"))


def clothes() -> Iterator[Pair]:
    """Clothes: colors, sizes, prices."""
    yield from fill_all(
        (
            ("Can I try on {this}?", "Puis-je essayer {ce} ?"),
            ("How much {does} {this} cost?", "Combien coûte{nt} {ce} ?"),
            ("{is} {this} on sale?", "Est-ce que {ce} {est} en solde ?"),
            ("I would like to exchange {this}.", "Je voudrais échanger {ce}."),
            ("I will take {this}.", "Je prends {ce}."),
        ),
        CLOTHES,
    )
    size, shoe = tagged(CLOTHES, "size"), tagged(CLOTHES, "shoe")
    yield from fill_all((("Do you have {this} in my size?", "Avez-vous {ce} à ma taille ?"),), size)
    yield from fill_all((("Do you have {this} in my size?", "Avez-vous {ce} à ma pointure ?"),), shoe)
    bigger = "Do you have {this} in a bigger size?"
    yield from fill_all(((bigger, "Avez-vous {ce} dans une taille plus grande ?"),), size)
    yield from fill_all(((bigger, "Avez-vous {ce} dans une pointure plus grande ?"),), shoe)
    suits = ("{this} suit{s} you very well.", "{ce} vous {vont} très bien.")
    yield from fill_all((suits,), [*size, *shoe])
    for noun, color in mix(CLOTHES, COLORS, each=3, start=1):
        yield fill(("I am looking for {a}.", "Je cherche {un}."), colored(noun, color))
    for noun, color in mix(CLOTHES, COLORS, each=2, start=6):
        yield fill(("I will take {the}.", "Je prends {le}."), colored(noun, color))
    for noun, color in mix(CLOTHES, COLORS, start=4):
        frame = ("How much {does} {the} in the window cost?", "Combien coûte{nt} {le} en vitrine ?")
        yield fill(frame, colored(noun, color))
    for noun, color in mix(CLOTHES, COLORS, each=4):
        slots = {"color": color.english, "couleur": agree(color, "m")}
        yield fill(("Do you have {this} in {color}?", "Avez-vous {ce} en {couleur} ?"), noun, **slots)
    faults = ((EXPENSIVE, CLOTHES), (BIG, size), (SMALL, [*size, *shoe]), (LONG, tagged(CLOTHES, "length")),
              (SHORT, tagged(CLOTHES, "length")), (TIGHT, tagged(CLOTHES, "tight")))  # fmt: skip
    for fault, nouns in faults:
        for noun in nouns:
            slots = {"fault": fault.english, "trop": agree(fault, noun.gender, noun.plural)}
            yield fill(("{this} {is} too {fault}.", "{ce} {est} trop {trop}."), noun, **slots)
    for noun, number in mix(CLOTHES, range(12, 61, 5)):
        slots = {"n": english_number(number), "d": french_number(number)}
        yield fill(("{the} cost{s} {n} euros.", "{le} coûte{nt} {d} euros."), noun, **slots)
    for material, matiere in MATERIALS:
        slots = {"material": material, "matiere": matiere}
        made_of = ("{is} {this} made of {material}?", "Est-ce que {ce} {est} en {matiere} ?")
        yield from fill_all((made_of,), tagged(CLOTHES, material), **slots)
    for number in range(34, 51):
        n, d = english_number(number), french_number(number)
        if number < 47:
            yield f"I take a size {n}.", f"Je fais du {d}."
        if 35 <= number <= 46:
            yield f"I take a size {n} in shoes.", f"Je chausse du {d}."


def small_shops() -> Iterator[Pair]:
    """Kiosks, stationers, souvenirs; prices."""
    yield from fill_all(
        (
            ("Where can I buy {a}?", "Où puis-je acheter {un} ?"),
            ("I would like to buy {a}.", "Je voudrais acheter {un}."),
            ("Do you sell {nouns}?", "Vendez-vous des {noms} ?"),
            ("I need {a}.", "J'ai besoin {de_un}."),
            ("How much is {this}?", "Combien coûte {ce} ?"),
            ("Could you wrap {this}, please?", "Pourriez-vous emballer {ce}, s'il vous plaît ?"),
        ),
        GOODS,
    )
    for noun, number in mix(GOODS, range(2, 8), each=2):
        frame = ("I would like {n} {nouns}, please.", "Je voudrais {d} {noms}, s'il vous plaît.")
        yield fill(frame, noun, n=english_number(number), d=french_number(number))
    for noun in GOODS:
        cheaper = ("Do you have a cheaper {noun}?", "Avez-vous {un} moins {cher} ?")
        yield fill(cheaper, noun, cher=agree(EXPENSIVE, noun.gender))
    for number in range(1, 61):
        euros, french_euros = price(number)
        yield f"That costs {euros}.", f"Cela coûte {french_euros}."
        if number > 1:
            yield f"That is {euros} altogether.", f"Cela fait {french_euros} en tout."
            if number % 3 == 0:
                yield f"{capital(euros)} is too much.", f"{capital(french_euros)}, c'est trop."
    for euros_whole, cents in mix(range(1, 41), (50, 20, 10, 40, 60)):
        euros, french_euros = price(euros_whole, cents)
        yield f"That is {euros}, please.", f"Cela fait {french_euros}, s'il vous plaît."


def numbers_and_dates() -> Iterator[Pair]:
    """Clock times, days and dates."""
    for time, heure in (*TIMES, ("midnight", "minuit")):
        yield f"It is {time}.", f"Il est {heure}."
    for time, heure in TIMES[:40:2]:
        yield f"Is it already {time}?", f"Est-ce qu'il est déjà {heure} ?"
        yield f"I will come back at {time}.", f"Je reviendrai à {heure}."
    for time, heure in (clock(hour, minute) for hour in (5, 6, 7, 8) for minute in (0, 15, 30, 45)):
        yield f"Could you wake me up at {time}?", f"Pourriez-vous me réveiller à {heure} ?"
    for day, jour in DAYS:
        yield f"Today is {day}.", f"Aujourd'hui, nous sommes {jour}."
        yield f"See you on {day}.", f"À {jour}."
        yield f"Are you free on {day}?", f"Êtes-vous libre {jour} ?"
        yield f"We are leaving on {day} morning.", f"Nous partons {jour} matin."
        yield f"We arrived on {day} evening.", f"Nous sommes arrivés {jour} soir."
        yield f"There is no bus on {day}s.", f"Il n'y a pas de bus le {jour}."
        yield f"Every {day} there is a market here.", f"Tous les {jour}s, il y a un marché ici."
    for (day_number, (month, mois)), (day, jour) in mix(DATES, DAYS):
        date, french_date = f"the {english_ordinal(day_number)} of {month}", f"{french_day(day_number)} {mois}"
        yield f"Today is {date}.", f"Aujourd'hui, c'est le {french_date}."
        yield f"We arrive on {day}, {date}.", f"Nous arrivons le {jour} {french_date}."
    for day_number, (month, mois) in DATES[::2]:
        date, french_date = f"the {english_ordinal(day_number)} of {month}", f"{french_day(day_number)} {mois}"
        yield f"My birthday is on {date}.", f"Mon anniversaire est le {french_date}."
        yield f"We are staying until {date}.", f"Nous restons jusqu'au {french_date}."
    for month, mois in MONTHS:
        yield f"We are getting married in {month}.", f"Nous nous marions en {mois}."
        yield f"Is it hot here in {month}?", f"Est-ce qu'il fait chaud ici en {mois} ?"
        yield f"Does it rain a lot here in {month}?", f"Est-ce qu'il pleut beaucoup ici en {mois} ?"
    for number in range(2, 31):
        n, d = english_number(number), french_number(number, "f")
        yield f"We will be there in {n} minutes.", f"Nous serons là dans {d} minutes."
        if number < 15:
            m = french_number(number)
            yield f"We are staying for {n} days.", f"Nous restons {m} jours."
            yield f"I have been waiting for {n} minutes.", f"J'attends depuis {d} minutes."
            yield f"There are {n} of us.", f"Nous sommes {m}."
            yield f"We have been here for {n} days.", f"Nous sommes ici depuis {m} jours."


def at_the_hotel() -> Iterator[Pair]:
    """Booking, asking for things, complaining."""
    for room, number in mix(ROOMS, range(1, 8), each=4):
        nights, nuits = counted(number, "night", "nuit", "f")
        frame = ("I would like {a} for {nights}.", "Je voudrais {un} pour {nuits}.")
        yield fill(frame, room, nights=nights, nuits=nuits)
    yield from fill_all(
        (
            ("Do you have {a} for tonight?", "Avez-vous {un} pour ce soir ?"),
            ("How much is {a} per night?", "Combien coûte {un} par nuit ?"),
            ("I have booked {a}.", "J'ai réservé {un}."),
            ("We only have {a} left.", "Il ne nous reste qu'{un}."),
        ),
        ROOMS,
    )
    for room, surname in mix(ROOMS, SURNAMES, each=2):
        frame = ("I have booked {a} under the name {surname}.", "J'ai réservé {un} au nom {de_surname}.")
        yield fill(frame, room, surname=surname, de_surname=of(surname))
    missing = ("There {is} no {noun} in my room.", "Il n'y a pas {de} dans ma chambre.")
    yield from fill_all((missing,), ROOM_THINGS)
    one = tagged(ROOM_THINGS, "one")
    yield from fill_all(
        (
            ("Could you bring me {a}, please?", "Pourriez-vous m'apporter {un}, s'il vous plaît ?"),
            ("I need another {noun}.", "J'ai besoin d'{un} de plus."),
        ),
        one,
    )
    some = [thing for thing in ROOM_THINGS if thing not in one and thing.french != "eau chaude"]
    yield from fill_all(
        (
            ("Could you bring me some {noun}, please?", "Pourriez-vous m'apporter {du}, s'il vous plaît ?"),
            ("I need some {noun}.", "J'ai besoin {de}."),
        ),
        some,
    )
    yield from fill_all(
        (
            ("{the} {does} not work.", "{le} ne marche{nt} pas."),
            ("How {does} {the} work?", "Comment marche{nt} {le} ?"),
            ("There is a problem with {the}.", "Il y a un problème avec {le}."),
            ("Could you have a look at {the}?", "Pourriez-vous jeter un coup d'œil {au} ?"),
            ("Someone is coming to repair {the}.", "Quelqu'un va venir réparer {le}."),
        ),
        MACHINES,
    )
    yield from fill_all((("{the} {is} broken.", "{le} {est} cassé{e}."),), tagged(MACHINES, "break"))
    yield from fill_all(
        (
            ("Is there {a} in the hotel?", "Y a-t-il {un} dans l'hôtel ?"),
            ("Our hotel has {a}.", "Notre hôtel a {un}."),
            ("There is no {noun} here.", "Il n'y a pas {de} ici."),
        ),
        FACILITIES,
    )
    for number in range(1, 61):
        n, d = english_number(number), french_number(number)
        yield f"I have room number {n}.", f"J'ai la chambre numéro {d}."
        if number % 3 == 1:
            yield f"The key to room {n}, please.", f"La clé de la chambre {d}, s'il vous plaît."
    for month, mois in MONTHS:
        for first, last in ((1, 3), (12, 15)):
            yield (
                f"Do you have a room from the {english_ordinal(first)} to the {english_ordinal(last)} of {month}?",
                f"Avez-vous une chambre du {french_day(first)} au {french_day(last)} {mois} ?",
            )


def health() -> Iterator[Pair]:
    """At the doctor's and at the pharmacy."""
    yield from fill_all(
        (
            ("My {noun} hurt{s}.", "J'ai mal {au}."),
            ("{does} your {noun} hurt?", "Avez-vous mal {au} ?"),
            ("My daughter's {noun} hurt{s}.", "Ma fille a mal {au}."),
            ("My {noun} {has} been hurting since yesterday.", "J'ai mal {au} depuis hier."),
        ),
        BODY,
    )
    breakable = tagged(BODY, "break")
    yield from fill_all(
        (
            ("I think I have broken my {noun}.", "Je crois que je me suis cassé {le}."),
            ("Have you ever broken your {noun}?", "Vous êtes-vous déjà cassé {le} ?"),
        ),
        breakable,
    )
    yield from fill_all((("My {noun} is swollen.", "{mon} est enflé{e}."),), tagged(BODY, "swell"))
    for english, french in (*AILMENTS, *CHRONIC):
        yield f"I have {english}.", f"J'ai {french}."
        yield f"My son has {english}.", f"Mon fils a {french}."
        yield f"My wife has {english}.", f"Ma femme a {french}."
        yield f"Do you have {english}?", f"Avez-vous {french} ?"
    for (english, french), number in mix(AILMENTS, range(2, 7), each=2):
        n, d = english_number(number), french_number(number)
        yield f"I have had {english} for {n} days.", f"J'ai {french} depuis {d} jours."
    yield from fill_all(
        (
            ("Do you have something for {noun}?", "Avez-vous quelque chose contre {le} ?"),
            ("What do you recommend for {noun}?", "Que conseillez-vous contre {le} ?"),
            ("This medicine is good for {noun}.", "Ce médicament est bon contre {le}."),
        ),
        REMEDY_FOR,
    )
    some = tagged(MEDICINES, "some")
    yield from fill_all(
        (
            ("I need some {noun}.", "J'ai besoin {de}."),
            ("Do you have any {noun}?", "Avez-vous {du} ?"),
            ("Where can I find some {noun}?", "Où puis-je trouver {du} ?"),
        ),
        some,
    )
    one = [medicine for medicine in MEDICINES if medicine not in some]
    yield from fill_all((("I need {a}.", "J'ai besoin {de_un}."), ("Do you have {a}?", "Avez-vous {un} ?")), one)
    for number in (1, 2, 3):
        tablets, comprimes = counted(number, "tablet", "comprimé")
        for when, quand in (
            ("before meals", "avant les repas"), ("after meals", "après les repas"),
            ("in the morning", "le matin"), ("in the evening", "le soir"), ("every six hours", "toutes les six heures"),
            ("with a glass of water", "avec un verre d'eau"), ("before going to bed", "avant de vous coucher"),
        ):  # fmt: skip
            yield f"Take {tablets} {when}.", f"Prenez {comprimes} {quand}."


def weather() -> Iterator[Pair]:
    """Everybody's subject."""
    for present, past, future in WEATHER:
        for tense, moments in ((present, NOW), (past, BEFORE), (future, LATER)):
            for english, french in moments:
                yield capital(f"{tense[0]} {english}."), capital(f"{tense[1]} {french}.")
    for (tense, _, _), (city, ville) in mix(WEATHER, CITIES, each=3):
        yield capital(f"{tense[0]} in {city}."), capital(f"{tense[1]} à {ville}.")
    for (_, past, _), country in mix(WEATHER[:12], COUNTRIES, each=3):
        yield capital(f"{past[0]} in {country.english}."), capital(f"{past[1]} {in_country(country)}.")
    for (day, jour), (_, _, future) in mix(DAYS, WEATHER, each=4):
        yield capital(f"{future[0]} on {day}."), capital(f"{future[1]} {jour}.")
    for country, (month, mois) in mix(COUNTRIES, MONTHS, start=5):
        place = in_country(country)
        yield f"Is it cold in {country.english} in {month}?", f"Est-ce qu'il fait froid {place} en {mois} ?"


def people() -> Iterator[Pair]:
    """Small talk about family, work and ages."""
    yield from fill_all(
        (
            ("I am travelling with my {noun}.", "Je voyage avec {mon}."),
            ("How {is} your {noun}?", "Comment {vont} {votre} ?"),
            ("I am waiting for my {noun}.", "J'attends {mon}."),
            ("I am looking for my {noun}.", "Je cherche {mon}."),
            ("Have you seen my {noun}?", "Avez-vous vu {mon} ?"),
            ("My {noun} {is} ill.", "{mon} {est} malade{pl}."),
            ("My {noun} {does} not speak French.", "{mon} ne parle{nt} pas français."),
            ("It is a present for my {noun}.", "C'est un cadeau pour {mon}."),
            ("I would like to introduce my {noun}.", "Je vous présente {mon}."),
        ),
        PEOPLE,
    )
    yield from fill_all((("This is my {noun}.", "Voici {mon}."),), [who for who in PEOPLE if not who.plural])
    yield from fill_all((("These are my {noun}.", "Voici {mon}."),), [who for who in PEOPLE if who.plural])
    elsewhere = [who for who in PEOPLE if who.english not in ("husband", "wife")]
    yield from fill_all((("Where {does} your {noun} live?", "Où habite{nt} {votre} ?"),), elsewhere)
    for who, (city, ville) in mix(elsewhere, CITIES, each=2):
        yield fill(("My {noun} live{s} in {city}.", "{mon} habite{nt} à {ville}."), who, city=city, ville=ville)
    young = tagged(PEOPLE, "young")
    for who, name in mix(young, NAMES, each=3):
        yield fill(("My {noun} is called {name}.", "{mon} s'appelle {name}."), who, name=name)
    for name in (*NAMES, *SURNAMES):
        yield f"My name is {name}.", f"Je m'appelle {name}."
    for who, number in mix(young, (4, 7, 11, 18, 21, 32), each=4):
        n, d = english_number(number), french_number(number)
        yield fill(("My {noun} is {n} years old.", "{mon} a {d} ans."), who, n=n, d=d)
    for number in range(18, 61, 3):
        yield f"I am {english_number(number)} years old.", f"J'ai {french_number(number)} ans."
    for job in JOBS:
        english, masculine, feminine = job.english, agree(job, "m"), agree(job, "f")
        yield f"I am {english}.", f"Je suis {masculine}."
        yield f"My brother is {english}.", f"Mon frère est {masculine}."
        yield f"My sister is {english}.", f"Ma sœur est {feminine}."
        yield f"Is your father {english}?", f"Est-ce que votre père est {masculine} ?"
    for who, thing in mix([who for who in PEOPLE if not who.plural], BELONGINGS, each=3):
        yield fill(("My {noun} has lost {his} {noun2}.", "{mon} a perdu {son2}."), who, thing)


def doing_things() -> Iterator[Pair]:
    """Errands and pastimes: frames with an infinitive."""
    for english, french, tags in ERRANDS:
        if tags != "help":
            yield f"I would like to {english}.", f"Je voudrais {french}."
            yield f"Is it possible to {english}?", f"Est-il possible {of(french)} ?"
            if " my " not in english:
                yield f"We need to {english}.", f"Nous devons {french}."
        if "where" in tags:
            yield f"Where can I {english}?", f"Où puis-je {french} ?"
        if "can" in tags:
            yield f"Can I {english}?", f"Est-ce que je peux {french} ?"
        if "help" in tags:
            yield f"Could you help me to {english}?", f"Pourriez-vous m'aider à {french} ?"
            yield f"I cannot manage to {english}.", f"Je n'arrive pas à {french}."
    for english, french, tags in HOBBIES:
        yield f"I like to {english}.", f"J'aime {french}."
        yield f"Do you like to {english}?", f"Aimez-vous {french} ?"
        yield f"My daughter loves to {english}.", f"Ma fille adore {french}."
        yield f"I never have time to {english}.", f"Je n'ai jamais le temps {of(french)}."
        if "skill" in tags:
            yield f"I do not know how to {english}.", f"Je ne sais pas {french}."
            yield f"Do you know how to {english}?", f"Savez-vous {french} ?"
            yield f"My brother is learning to {english}.", f"Mon frère apprend à {french}."
    outings = [hobby for hobby in HOBBIES if "outing" in hobby[2]]
    for (english, french, _), (when, quand) in mix(outings, LATER, each=2):
        yield f"We would like to {english} {when}.", f"Nous aimerions {french} {quand}."
    for (english, french, _), (when, quand) in mix(outings, LATER, each=2, start=3):
        yield f"Would you like to {english} with us {when}?", f"Voulez-vous {french} avec nous {quand} ?"


def lost_things() -> Iterator[Pair]:
    """Lost, stolen and found."""
    yield from fill_all(
        (
            ("I have lost my {noun}.", "J'ai perdu {mon}."),
            ("Someone has stolen my {noun}.", "On m'a volé {mon}."),
            ("I cannot find my {noun}.", "Je ne trouve pas {mon}."),
            ("Have you found my {noun}?", "Avez-vous trouvé {mon} ?"),
            ("Do not forget your {noun}.", "N'oubliez pas {votre}."),
            ("{is} {this_word} your {noun}?", "Est-ce que {cest} {votre} ?"),
            ("Where did you lose your {noun}?", "Où avez-vous perdu {votre} ?"),
        ),
        BELONGINGS,
    )
    yield from fill_all(
        (
            ("Your {noun}, please.", "{votre}, s'il vous plaît."),
            ("Here is my {noun}.", "Voici {mon}."),
            ("May I see your {noun}?", "Puis-je voir {votre} ?"),
            ("Please have your {noun} ready.", "Veuillez préparer {votre}."),
        ),
        tagged(BELONGINGS, "show"),
    )
    for thing, (where, ou) in mix(BELONGINGS, LEFT_WHERE, each=3):
        yield fill(("I left my {noun} {where}.", "J'ai oublié {mon} {ou}."), thing, where=where, ou=ou)
    bags = [thing for thing in BELONGINGS if thing.english in ("bag", "suitcase", "rucksack", "scarf", "coat", "hat",
                                                               "umbrella", "gloves", "wallet")]  # fmt: skip
    for thing, color in mix(bags, COLORS[:9], each=3):
        yield fill(("I am looking for my {noun}.", "Je cherche {mon}."), colored(thing, color))
    for thing, color in mix(bags, COLORS[:9], each=2, start=5):
        yield fill(("Have you seen {a}?", "Avez-vous vu {un} ?"), colored(thing, color))


TOPICS = (
    the_way,
    opening_hours,
    in_the_building,
    by_bus_and_taxi,
    by_train,
    countries_and_languages,
    ordering,
    at_table,
    at_the_market,
    clothes,
    small_shops,
    numbers_and_dates,
    at_the_hotel,
    health,
    weather,
    people,
    doing_things,
    lost_things,
)


def pairs() -> Iterator[Pair]:
    """All (english, french) pairs, each once: first the fixed phrases, then topic by topic."""
    seen: set[Pair] = set()
    for pair in chain(PHRASES, *(topic() for topic in TOPICS)):
        if pair not in seen:
            seen.add(pair)
            yield pair
