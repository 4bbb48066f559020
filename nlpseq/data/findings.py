"""What a pass over data finds: records that are left out, and values that are read otherwise than they are written."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Finding:
    """How often something was found, and where first: "pairs.tsv, line 7"."""

    count: int
    first: str


@dataclass
class Findings:
    """What is told about data.

    Attributes:
        left_out: by the reason, such as "no label".
        mended: by what was done, such as "labels without their invisible characters".
    """

    left_out: dict[str, Finding] = field(default_factory=dict)
    mended: dict[str, Finding] = field(default_factory=dict)

    def leave_out(self, reason: str, file: str, line: int) -> None:
        """Counts a record that is not used."""
        _count(self.left_out, reason, file, line)

    def mend(self, what: str, file: str, line: int) -> None:
        """Counts a value that is not used as it is written."""
        _count(self.mended, what, file, line)


def _count(found: dict[str, Finding], what: str, file: str, line: int) -> None:
    if what in found:
        found[what].count += 1
    else:
        found[what] = Finding(1, f"{file}, line {line}")
