# SPDX-License-Identifier: BSD-2-Clause
"""Relative links in Markdown: which lead to nothing, and a text without those."""

from __future__ import annotations

import posixpath
import re
from typing import Callable

CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[([^\]]*)\]\((?![a-z]+:|#)([^)#\s]+)(?:#[^)\s]*)?\)")
NOT_HERE = " (not in this tree)"

Exists = Callable[[str], bool]
"""Whether a path from the root of the tree is a file or a folder in it."""


def _leads(name: str, target: str, exists: Exists) -> bool:
    return exists(posixpath.normpath(posixpath.join(posixpath.dirname(name), target)))


def dead(name: str, text: str, exists: Exists) -> list[str]:
    """The links in the file `name`, which holds this text, that lead to nothing."""
    found = LINK.findall(CODE.sub("", text))
    return [f"{name}: {target}" for _, target in found if not _leads(name, target, exists)]


def without_dead(name: str, text: str, exists: Exists) -> str:
    """The text, with what a dead link says in place of the link."""

    def replace(match: re.Match[str]) -> str:
        if _leads(name, match[2], exists):
            return match[0]
        return match[1] + NOT_HERE

    return LINK.sub(replace, text)
