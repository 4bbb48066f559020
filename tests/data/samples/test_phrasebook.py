"""The phrase book: its shape as a data set, and whether its French is right."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter

import pytest

from nlpseq.data.samples import phrasebook, phrases

PAIRS = list(phrasebook.pairs())
ENGLISH = [english for english, _ in PAIRS]
FRENCH = [french for _, french in PAIRS]
BY_ENGLISH = dict(PAIRS)

# A word that begins with a vowel or an h; then the words of the phrase book that nothing is elided before.
VOWEL_START = r"(?=[aeiouhàâäéèêëîïôöùûüœæ])(?!hamburger|homard|haricot|huit\b|onze\b|oui\b)"


def matching(pattern: str) -> list[str]:
    """The French sentences with a match; what follows a hyphen ("puis-je avoir") is left aside."""
    compiled = re.compile(rf"(?<![-\w]){pattern}", re.IGNORECASE)
    return [french for french in FRENCH if compiled.search(french)]


def noun(table: tuple[phrasebook.Noun, ...], english: str) -> phrasebook.Noun:
    return next(entry for entry in table if entry.english == english)


# --- As a data set ---


def test_there_are_enough_pairs_and_not_too_many() -> None:
    assert 4000 <= len(PAIRS) <= 8000
    assert len(phrases.PHRASES) >= 400


def test_every_topic_contributes() -> None:
    everything = set(PAIRS)
    for topic in phrasebook.TOPICS:
        made = set(topic())
        assert len(made) >= 100, topic.__name__
        assert made <= everything, topic.__name__


def test_pairs_are_the_same_each_time() -> None:
    assert list(phrasebook.pairs()) == PAIRS


def test_pairs_do_not_depend_on_the_hash_seed() -> None:
    code = "import zlib; from nlpseq.data.samples.phrasebook import pairs; print(zlib.crc32(repr([*pairs()]).encode()))"
    digests = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(digests) == 1


def test_no_pair_twice_and_one_translation_for_each_sentence() -> None:
    assert len(set(PAIRS)) == len(PAIRS)
    assert [english for english, count in Counter(ENGLISH).items() if count > 1] == []


def test_no_fixed_phrase_twice() -> None:
    assert [pair for pair, count in Counter(phrases.PHRASES).items() if count > 1] == []


def test_words_are_seen_in_several_sentences() -> None:
    seen = Counter(word for sentence in ENGLISH for word in set(re.findall(r"[a-z'-]+", sentence.lower())))
    for place in phrasebook.PLACES:
        assert seen[place.english.split()[-1]] >= 5, place.english


def test_there_are_short_ones() -> None:
    assert sum(len(english.split()) <= 2 for english in ENGLISH) >= 80


# --- Typography ---


@pytest.mark.parametrize("side", [ENGLISH, FRENCH], ids=["english", "french"])
def test_capital_full_stop_and_spaces(side: list[str]) -> None:
    for sentence in side:
        assert sentence[0].isupper(), sentence
        assert sentence[-1] in ".?!", sentence
        assert sentence == " ".join(sentence.split()), sentence
        assert not re.search(r" [,.]|[{}_|\t]|[,.?!:;][,.?!:;]|[\u2018\u2019\u00a0\u202f]", sentence), sentence


def test_a_space_before_french_question_marks_and_the_like() -> None:
    assert [french for french in FRENCH if re.search(r"[^ ][?!:;]", french)] == []


def test_no_space_before_english_question_marks_and_the_like() -> None:
    assert [english for english in ENGLISH if re.search(r" [?!:;]", english)] == []
    assert [english for english in ENGLISH if not english.replace("Hélène", "").isascii()] == []


def test_a_question_stays_a_question() -> None:
    for english, french in PAIRS:
        assert english.endswith("?") == french.endswith("?"), (english, french)


# --- Grammar: properties of all sentences ---


@pytest.mark.parametrize(
    "word", ["le", "la", "de", "je", "que", "ne", "me", "te", "se", "ce", "ma", "ta", "sa", "si il"]
)
def test_words_that_change_before_a_vowel(word: str) -> None:
    assert matching(rf"{word} {VOWEL_START}") == []


@pytest.mark.parametrize("word", ["au", "du"])
def test_contractions_that_do_not_stand_before_a_vowel(word: str) -> None:
    assert matching(rf"{word} {VOWEL_START}") == []


@pytest.mark.parametrize("word", ["à le", "à les", "de le", "de les", "de des", "de du", "d'des", "à un des", "en le"])
def test_what_has_to_be_contracted(word: str) -> None:
    assert matching(rf"{word}\b") == []


def test_an_apostrophe_only_before_a_vowel() -> None:
    elided = re.compile(r"\b(?:l|d|j|m|t|s|n|c|qu|jusqu)'(?!" + VOWEL_START + r"|y\b)", re.IGNORECASE)
    assert [french for french in FRENCH if elided.search(french)] == []


def test_no_elision_before_an_aspirated_h() -> None:
    assert [french for french in FRENCH if re.search(r"'(hamburger|homard|haricot|huit|onze|yaourt)", french)] == []
    assert any("de haricots verts" in french for french in FRENCH)
    assert any(" le homard" in french for french in FRENCH)


def test_no_de_plural_article_after_a_negation() -> None:
    assert matching(r"(?:n'ai|ne mange|ne bois|n'y a|avons) (?:pas|plus) (?:du|des|de la|un|une)\b") == []


def test_english_articles() -> None:
    wrong = re.compile(r"\ba (?=[aeio]|um|un(?!i))|\ban (?!hour\b|[aeiou])", re.IGNORECASE)
    assert [english for english in ENGLISH if wrong.search(english)] == []


def test_english_verbs_agree() -> None:
    wrong = re.compile(r"\b(?:this|it|he|she) are\b|\b(?:these|they) (?:is|has|does)\b|\bare this\b|\bis these\b", re.I)
    assert [english for english in ENGLISH if wrong.search(english)] == []


# --- Grammar: literal expectations, written by hand ---


@pytest.mark.parametrize(
    ("english", "french"),
    [
        ("Where is the station?", "Où est la gare ?"),
        ("Thank you.", "Merci."),
        # elision and contraction
        ("Where is the hotel?", "Où est l'hôtel ?"),
        ("Where are the toilets?", "Où sont les toilettes ?"),
        ("Where are the stairs?", "Où est l'escalier ?"),
        ("To the airport, please.", "À l'aéroport, s'il vous plaît."),
        ("To the museum, please.", "Au musée, s'il vous plaît."),
        ("Does this bus go to the beach?", "Est-ce que ce bus va à la plage ?"),
        ("We are coming from the market.", "Nous venons du marché."),
        ("We are coming from the hospital.", "Nous venons de l'hôpital."),
        ("Follow the signs to the toilets.", "Suivez les panneaux jusqu'aux toilettes."),
        ("Go straight on as far as the church.", "Continuez tout droit jusqu'à l'église."),
        ("I come from Avignon.", "Je viens d'Avignon."),
        ("I come from Lille.", "Je viens de Lille."),
        # the partitive, and de after a negation
        ("Could you bring us some bread?", "Pourriez-vous nous apporter du pain ?"),
        ("Would you like some water?", "Voulez-vous de l'eau ?"),
        ("Would you like some mustard?", "Voulez-vous de la moutarde ?"),
        ("Do you eat green beans?", "Mangez-vous des haricots verts ?"),
        ("I do not eat green beans.", "Je ne mange pas de haricots verts."),
        ("I do not eat eggs.", "Je ne mange pas d'œufs."),
        ("There is no olive oil left.", "Il n'y a plus d'huile d'olive."),
        ("I did not order a hamburger.", "Je n'ai pas commandé de hamburger."),
        ("I am allergic to nuts.", "Je suis allergique aux fruits à coque."),
        ("I am allergic to garlic.", "Je suis allergique à l'ail."),
        ("Are you allergic to gluten?", "Êtes-vous allergique au gluten ?"),
        # agreement
        ("Is the bank open today?", "Est-ce que la banque est ouverte aujourd'hui ?"),
        ("Is the museum open today?", "Est-ce que le musée est ouvert aujourd'hui ?"),
        ("The cathedral is very beautiful.", "La cathédrale est très belle."),
        ("The castle is very beautiful.", "Le château est très beau."),
        ("The apple tart is delicious.", "La tarte aux pommes est délicieuse."),
        ("The onion soup is cold.", "La soupe à l'oignon est froide."),
        ("These pears are very good.", "Ces poires sont très bonnes."),
        ("These leeks are very good.", "Ces poireaux sont très bons."),
        ("This jacket is too expensive.", "Cette veste est trop chère."),
        ("These shoes are too tight.", "Ces chaussures sont trop serrées."),
        ("These trousers are too long.", "Ce pantalon est trop long."),
        ("This skirt is too long.", "Cette jupe est trop longue."),
        ("The blinds are broken.", "Les stores sont cassés."),
        ("The shower is broken.", "La douche est cassée."),
        ("My wife is Italian.", "Ma femme est italienne."),
        ("My wife is Greek.", "Ma femme est grecque."),
        ("Our friends are French.", "Nos amis sont français."),
        ("Our friends are Canadian.", "Nos amis sont canadiens."),
        ("My sister is a hairdresser.", "Ma sœur est coiffeuse."),
        # possessives, demonstratives
        ("I have lost my scarf.", "J'ai perdu mon écharpe."),
        ("I have lost my suitcase.", "J'ai perdu ma valise."),
        ("I have lost my keys.", "J'ai perdu mes clés."),
        ("Are these your keys?", "Est-ce que ce sont vos clés ?"),
        ("How much is this umbrella?", "Combien coûte ce parapluie ?"),
        ("How much is this adapter?", "Combien coûte cet adaptateur ?"),
        ("How much is this envelope?", "Combien coûte cette enveloppe ?"),
        # the body
        ("My head hurts.", "J'ai mal à la tête."),
        ("My back hurts.", "J'ai mal au dos."),
        ("My eyes hurt.", "J'ai mal aux yeux."),
        ("My shoulder hurts.", "J'ai mal à l'épaule."),
        # countries
        ("We live in Japan.", "Nous habitons au Japon."),
        ("We live in Iran.", "Nous habitons en Iran."),
        ("We live in Spain.", "Nous habitons en Espagne."),
        ("We live in the United States.", "Nous habitons aux États-Unis."),
        ("I come from the Netherlands.", "Je viens des Pays-Bas."),
        ("I come from Portugal.", "Je viens du Portugal."),
        ("I come from France.", "Je viens de France."),
        ("I come from Germany.", "Je viens d'Allemagne."),
        # numbers, times and dates
        ("That costs one euro.", "Cela coûte un euro."),
        ("That costs twenty-one euros.", "Cela coûte vingt et un euros."),
        ("That costs sixty euros.", "Cela coûte soixante euros."),
        ("We will be there in twenty-one minutes.", "Nous serons là dans vingt et une minutes."),
        ("It is one o'clock.", "Il est une heure."),
        ("It is noon.", "Il est midi."),
        ("It is half past twelve.", "Il est midi et demi."),
        ("It is half past three.", "Il est trois heures et demie."),
        ("It is a quarter to one.", "Il est une heure moins le quart."),
        ("It is twenty to twelve.", "Il est midi moins vingt."),
        ("It is five past eleven.", "Il est onze heures cinq."),
        ("Today is the first of May.", "Aujourd'hui, c'est le premier mai."),
        ("Today is the eleventh of August.", "Aujourd'hui, c'est le onze août."),
        ("There is no bus on Sundays.", "Il n'y a pas de bus le dimanche."),
    ],
)
def test_sentence(english: str, french: str) -> None:
    assert BY_ENGLISH[english] == french


@pytest.mark.parametrize(
    ("table", "english", "forms"),
    [
        # le, un, du, à + le, de + le, ce, mon
        ("PLACES", "station", "la gare/une gare/de la gare/à la gare/de la gare/cette gare/ma gare"),
        ("PLACES", "hotel", "l'hôtel/un hôtel/de l'hôtel/à l'hôtel/de l'hôtel/cet hôtel/mon hôtel"),
        ("PLACES", "church", "l'église/une église/de l'église/à l'église/de l'église/cette église/mon église"),
        ("FOODS", "bread", "le pain/un pain/du pain/au pain/du pain/ce pain/mon pain"),
        ("FOODS", "walnuts", "les noix/des noix/des noix/aux noix/des noix/ces noix/mes noix"),
        (
            "ORDERS",
            "hamburger",
            "le hamburger/un hamburger/du hamburger/au hamburger/du hamburger/ce hamburger/mon hamburger",
        ),
    ],
)
def test_articles(table: str, english: str, forms: str) -> None:
    word = noun(getattr(phrasebook, table), english)
    made = (
        phrasebook.definite(word), phrasebook.indefinite(word), phrasebook.partitive(word), phrasebook.to_place(word),
        phrasebook.from_place(word), phrasebook.demonstrative(word), phrasebook.possessive("m", word),
    )  # fmt: skip
    assert "/".join(made) == forms


@pytest.mark.parametrize(
    ("adjective", "forms"),
    [
        ("red", "rouge rouge rouges rouges"),
        ("blue", "bleu bleue bleus bleues"),
        ("white", "blanc blanche blancs blanches"),
        ("grey", "gris grise gris grises"),
        ("purple", "violet violette violets violettes"),
        ("brown", "marron marron marron marron"),
        ("orange", "orange orange orange orange"),
    ],
)
def test_colors_agree(adjective: str, forms: str) -> None:
    color = next(entry for entry in phrasebook.COLORS if entry.english == adjective)
    made = [phrasebook.agree(color, gender, plural) for plural in (False, True) for gender in "mf"]
    assert " ".join(made) == forms


def test_irregular_adjectives_agree() -> None:
    assert phrasebook.agree(phrasebook.BEAUTIFUL, "m", True) == "beaux"
    assert phrasebook.agree(phrasebook.BEAUTIFUL, "f", True) == "belles"
    assert phrasebook.agree(phrasebook.DELICIOUS, "m", True) == "délicieux"
    assert phrasebook.agree(phrasebook.EXPENSIVE, "f") == "chère"


@pytest.mark.parametrize(
    ("number", "english", "masculine", "feminine"),
    [
        (1, "one", "un", "une"),
        (11, "eleven", "onze", "onze"),
        (17, "seventeen", "dix-sept", "dix-sept"),
        (21, "twenty-one", "vingt et un", "vingt et une"),
        (32, "thirty-two", "trente-deux", "trente-deux"),
        (40, "forty", "quarante", "quarante"),
        (51, "fifty-one", "cinquante et un", "cinquante et une"),
        (60, "sixty", "soixante", "soixante"),
    ],
)
def test_numbers(number: int, english: str, masculine: str, feminine: str) -> None:
    assert phrasebook.english_number(number) == english
    assert phrasebook.french_number(number) == masculine
    assert phrasebook.french_number(number, "f") == feminine


def test_ordinals() -> None:
    made = [phrasebook.english_ordinal(number) for number in (1, 2, 3, 12, 20, 22, 30, 31)]
    assert made == ["first", "second", "third", "twelfth", "twentieth", "twenty-second", "thirtieth", "thirty-first"]
