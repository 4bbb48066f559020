"""The command line. Bodies import what they need, so that ``--help`` and using a model stay quick."""

from nlpseq.cli import answering, listing, making, studying  # each adds its commands
from nlpseq.cli.main import main

__all__ = ["answering", "listing", "main", "making", "studying"]
