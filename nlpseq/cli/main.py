"""The group of all commands, and how errors reach a person."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import click

from nlpseq.cli.stopping import end_interrupted, stoppable
from nlpseq.errors import MachineError, UserError, full_disk
from nlpseq.quiet import say
from nlpseq.version import __version__


class CommandGroup(click.Group):
    """Turns every error that a person can do something about into one message and an exit code.

    Besides the commands that are added, there are those of other packages, which are looked for when they are wanted.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.foreign_names: Callable[[], list[str]] = list
        self.foreign_command: Callable[[str], click.Command | None] = lambda name: None

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self.foreign_names()})

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if command := super().get_command(ctx, name):
            return command
        return self.foreign_command(name) if name in self.foreign_names() else None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with stoppable(), full_disk("make space, then try again"):
                return super().invoke(ctx)
        except UserError as error:
            fail(error, 2)
        except MachineError as error:
            fail(error, 1)
        except BrokenPipeError:
            # Whoever read our output has seen enough. Python would complain about stdout while it exits.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
        except KeyboardInterrupt:
            end_interrupted("interrupted")
        except OSError as error:
            if isinstance(error, PermissionError | IsADirectoryError | NotADirectoryError | FileNotFoundError):
                fail(f"{error.filename}: {error.strerror}", 2)
            raise


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="nlpseq")
def main() -> None:
    """Train small LSTM and GRU text models on your own data, and use them: text in, text out."""


def fail(message: object, code: int) -> NoReturn:
    """Says what is wrong, and ends the program."""
    say(f"nlpseq: {message}")
    sys.exit(code)


def as_json(result: Any, **further: Any) -> str:
    """A result on one line, with what else is to be said of it."""
    return json.dumps({**result.to_json(), **further}, ensure_ascii=False)


def plain(metrics: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The metrics that are a number or a text, as they are printed."""
    for name, value in metrics.items():
        if isinstance(value, float):
            yield name, f"{value:.4f}"
        elif isinstance(value, int | str):
            yield name, str(value)
