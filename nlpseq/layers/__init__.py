"""Keras layers: recurrent ones with a hand-written backward pass."""

from nlpseq.layers.recurrent import GRU, LSTM, RNN, Bidirectional

__all__ = ["GRU", "LSTM", "RNN", "Bidirectional"]
