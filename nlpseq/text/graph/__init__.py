"""The tokenisers as TensorFlow graphs: UTF-8 bytes to ids and back, in TensorFlow Lite builtin operators only.

All buffers have a fixed size. Zeros after the text or the ids are padding; a zero byte within the text is a character.
So the same graph runs in the interpreter, in CompiledModel and in LiteRT.js, and as a part of a larger graph::

    graph = in_graph(tokenizer)
    source = graph.encode(text[None], size=128)     # uint8 [1, 512] -> ids int32 [1, 128], lengths int32 [1]
    ...
    answer = graph.decode(ids, lengths, size=512)   # -> text uint8 [1, 512], lengths int32 [1]

The time depends on the length of the text more than on the size of the buffer: the text is read in windows. To encode
75 bytes takes 0.27 ms, 200 bytes 0.35 ms, and each further byte 0.0014 ms; a buffer of 4096 bytes adds 0.05 to 0.1 ms.
(``python -m tests.text.parity`` measures this, and counts differences from the library.)

A text may not fit. A character that the end of a full buffer cuts is left out, as if the text had ended before it. Ids
that find no place are left out too, whole characters at a time; the other ids are those of the text up to there.
``left_out`` counts both, so that a caller can split the text.
"""

from __future__ import annotations

from nlpseq.text.graph.characters import CharactersGraph
from nlpseq.text.graph.graph_tokenizer import GraphTokenizer
from nlpseq.text.graph.sentencepiece import SentencePieceGraph
from nlpseq.text.tokenizers import Characters, SentencePiece, Tokenizer

__all__ = ["GraphTokenizer", "in_graph"]


def in_graph(tokenizer: Tokenizer) -> GraphTokenizer:
    """Returns the graph that does what the tokeniser does.

    Raises:
        UserError: a SentencePiece model has something that nlpseq does not train, such as another type than unigram.
    """
    if isinstance(tokenizer, Characters):
        return CharactersGraph(tokenizer)
    if isinstance(tokenizer, SentencePiece):
        return SentencePieceGraph(tokenizer.to_bytes())
    raise TypeError(f"no graph is known for {type(tokenizer).__name__}")
