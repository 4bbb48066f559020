"""Translating texts."""

from __future__ import annotations

from collections.abc import Mapping

from nlpseq.errors import UserError
from nlpseq.runtime.backend import Backend, decoded, encoded, is_blank
from nlpseq.runtime.confidence import Calibration
from nlpseq.runtime.glossary import Glossary
from nlpseq.runtime.predictor import Predictor, named, without_padding
from nlpseq.runtime.questions import Answer, Question
from nlpseq.runtime.results import Translation, joined
from nlpseq.runtime.terminology import translated, written_out
from nlpseq.text.segmentation import Segment, has_letters, rejoined, segments

_GREEDY = "translate_greedy"
_UNUSED = -1e8  # a place of the n best that is not used has the score -1e9


class Translator(Predictor):
    """A program that translates; threads may share it."""

    signature = "translate"

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend)
        self._source_pieces = backend.metadata.pieces
        self._target_pieces = backend.metadata.target_pieces or backend.metadata.pieces
        try:
            self._calibration = Calibration.of(backend.metadata.calibration)
        except ValueError as error:
            raise UserError(
                f"{backend.name}: damaged: the {error} of its calibration are not understood: export the model again"
            ) from None

    @property
    def beam(self) -> int:
        """How many hypotheses the search keeps; the model's ``decoding.beam`` sets it."""
        return self.backend.size(self.signature, "B")

    @property
    def is_calibrated(self) -> bool:
        """Whether translations have a confidence."""
        return self._calibration is not None

    def translate(
        self, text: str, *, greedy: bool = False, glossary: Glossary | Mapping[str, str] | None = None
    ) -> Translation:
        """The best translation.

        A text that is longer than what the model has learnt is cut into lines and sentences, and those too long into
        runs of words, which are translated one by one; the spacing between them stays. A blank text gives an empty
        translation. A part that the model makes nothing of stays as it is.

        Args:
            text: of any length.
            greedy: take the most probable piece at each step, without a search: quicker, a little worse.
            glossary: terms, and what shall stand for them in the translation; ``missing_terms`` of the result names
                those that could not be brought in.

        Raises:
            UserError: a term of the glossary is blank.
        """
        if not isinstance(glossary, Glossary):
            glossary = Glossary(glossary or {})
        return self._translations(_GREEDY if greedy else self.signature, text, 1, glossary)[0]

    def n_best(self, text: str, n_best: int) -> list[Translation]:
        """The best translations, best first; at most ``beam``.

        All but the first have neither pieces nor alignment: the program gives those of the best. Of a text too long for
        one call, the k-th is made of the k-th of each part.

        Raises:
            UserError: more are asked for than the search keeps.
        """
        if not 1 <= n_best <= self.beam:
            raise UserError(f"n-best is {n_best}: choose from 1 to {self.beam}, which is how wide the beam is")
        return self._translations(self.signature, text, n_best, Glossary({}))

    def respond(self, text: str) -> Translation:
        return self.translate(text)

    def answer(self, question: Question) -> Answer:
        result = self.translate(question.text)
        return Answer(result.text, {"score": result.score})

    def _translations(self, signature: str, text: str, n_best: int, glossary: Glossary) -> list[Translation]:
        if is_blank(text):
            return [Translation("", 0.0, (), (), (), text)]
        known: dict[str, list[Translation]] = {}
        metadata = self.backend.metadata

        def fits(part: str) -> bool:
            """Whether a part is read whole; if so, it has been translated as well."""
            if metadata.copies_figures and not has_letters(part):
                known[part] = [Translation(part, 0.0, (), (), (), part, self._confidence(0.0, part))] * n_best
            elif part not in known and len(encoded(part)) <= self.backend.size(signature, "N"):
                found, left_out = self._call(signature, part, n_best)
                if not left_out:
                    known[part] = found
            return part in known

        def whole(part: str) -> Translation | None:
            return known[part][0] if fits(part) else None

        marked, terms = glossary.marked(text)  # a term has become one character, which cannot be cut
        parts, of_parts = [], []
        for part in segments(
            marked, lambda part: fits(written_out(part, terms)), unit=metadata.unit, together=metadata.together
        ):
            source = written_out(part.text, terms)
            with_terms = translated(part.text, terms, whole) if source != part.text else None
            # A single character that does not fit can only be cut.
            found = [with_terms] if with_terms else known.get(source) or self._call(signature, source, n_best)[0]
            parts.append(Segment(source, part.spacing))
            of_parts.append(found)
        count = min(map(len, of_parts))
        by_rank = [[found[rank] for found in of_parts] for rank in range(count)]
        return [joined(text, rejoined(parts, [part.text for part in ranked]), ranked) for ranked in by_rank]

    def _call(self, signature: str, text: str, n_best: int) -> tuple[list[Translation], int]:
        """Translations of a text that fits the buffer, and how many of its pieces were not read."""
        outputs = self.backend.call(signature, encoded(text))
        source_ids, ids = without_padding(outputs["source_ids"]), without_padding(outputs["ids"])
        alignment = outputs["alignment"][: len(ids), : len(source_ids)]
        written, score = decoded(outputs["text"]), outputs["score"].item()
        best = Translation(
            text=written,
            score=score,
            pieces=named(ids, self._target_pieces),
            source_pieces=named(source_ids, self._source_pieces),
            alignment=tuple(map(tuple, alignment.tolist())),
            source=text,
            confidence=self._confidence(score, written),
        )
        others = [
            Translation(other, score, (), best.source_pieces, (), text, self._confidence(score, other))
            for rank, score in enumerate(outputs["n_best_score"][:n_best].tolist() if n_best > 1 else ())
            if rank and score > _UNUSED
            for other in [decoded(outputs["n_best_text"][rank])]
        ]
        return [best, *others], outputs["left_out"].item()

    def _confidence(self, score: float, text: str) -> float | None:
        return self._calibration.confidence(score, text) if self._calibration else None
