# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages of the documentation, taken apart: fenced blocks, prose, tables, links, headings."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
LANGUAGES = ("json", "mermaid", "python", "sh", "text", "yaml")

_FENCE = re.compile(r"^```(.*)$")
_LINK = re.compile(r"\[[^\]\[]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """One fenced block; C(line) is that of its fence."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Page:
    """One file of Markdown."""

    path: Path
    blocks: tuple[Block, ...]
    prose: str

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def text(self) -> str:
        return self.path.read_text()

    def links(self) -> list[str]:
        return _LINK.findall(self.prose)

    def code(self) -> list[str]:
        """Return what stands between single backticks."""
        return re.findall(r"`([^`\n]+)`", self.prose)

    def anchors(self) -> set[str]:
        """Return what GitHub makes of the headings."""
        headings = re.findall(r"^#+ (.+)$", self.prose, re.M)
        return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}

    def rows(self, first: str) -> list[list[str]]:
        """Return the cells of the table whose head begins with the cell C(first), without its head."""
        lines = iter(self.prose.splitlines())
        for line in lines:
            if line.startswith(f"| {first} |"):
                next(lines)
                return [_cells(row) for row in _while_table(lines)]
        raise AssertionError(f"{self.name} has no table that begins with {first!r}")


def _while_table(lines: t.Iterable[str]) -> Iterator[str]:
    for line in lines:
        if not line.startswith("|"):
            return
        yield line


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip().strip("|").split(" | ")]


def read(path: Path) -> Page:
    """Return the page. Raises AssertionError for a fence that is never closed."""
    name = str(path.relative_to(ROOT))
    blocks, prose, inside, began, language = [], [], [], 0, ""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        fence = _FENCE.match(line)
        if fence and not began:
            began, language, inside = number, fence.group(1).strip(), []
        elif fence:
            blocks.append(Block(name, began, language, "\n".join(inside) + "\n"))
            began = 0
        else:
            (inside if began else prose).append(line)
    assert not began, f"{name}:{began}: a fence that is never closed"
    return Page(path, tuple(blocks), "\n".join(prose))


PAGES = [read(path) for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))]


def page(name: str) -> Page:
    """Return the page C(docs/NAME.md)."""
    return next(one for one in PAGES if one.path.stem == name)


def blocks(language: str) -> list[Block]:
    """Return all blocks in that language."""
    return [block for one in PAGES for block in one.blocks if block.language == language]
