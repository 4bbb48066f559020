"""What an exported file says of itself (docs/exported-files.md, "Metadata")."""

from __future__ import annotations

import json
from mmap import mmap
from typing import Any

from nlpseq.runtime.flatbuffer import Table

FORMAT = 1  # of the metadata and the signatures; a reader refuses what is newer
ENTRY = b"nlpseq"
BUFFERS, METADATA = 4, 6  # numbers of the root's fields, by the schema of TensorFlow Lite


def facts_of(content: bytes | mmap) -> dict[str, Any]:
    root = Table.root(content)
    for entry in root.tables(METADATA):
        if entry.bytes(0) == ENTRY:
            buffer = Table(content, root.targets(BUFFERS)[entry.number(1)])
            return json.loads(buffer.bytes(0))
    raise ValueError
