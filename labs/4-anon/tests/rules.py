# SPDX-License-Identifier: BSD-2-Clause
"""The rules that findings name, as lab.toml has them, and what a variant has otherwise."""

from __future__ import annotations

from grade import lab

SHOWS = "a page shows what its process wrote last"
NOT_MAPPED = "what is not mapped is not seen"
RIGHTS = "a page is writable only where its mapping is"
OTHERS = "nobody writes to a page that others see"
SHARED = "who shares memory sees the same page"
ONE_PAGE = "an anon has one page, and the page one anon"
REFERENCES = "an anon has as many references as slots hold it"
EXACT = "no count is lost where several processors count at once"
FREED = "what nobody can reach is freed at once"
STAYS = "wired memory stays where it is"
EVICTABLE = "what is not wired can go to swap"
UNLOCKED = "whoever locks something unlocks it, on every way out"
CHECKS = "map_check, amap_check, pmap_check, pool_check and page_check find nothing"
LATE = "a {unit} is copied when it is written, and not before"
BOUNDED = "a copy takes a bounded amount of memory at a time"
CHEAP = "fork does not copy pages"
ALONE = "who is alone again takes over what was shared"
THROUGH = "a mapping has its entry's rights, but for writing where a rule forbids it"
NO_LOCK = "who waits for a page holds no lock"
NO_AMAP = "a fork waits with the amap unlocked"
ROOM = "a page of a file is written only when there is room for it"
ONLY_WRITTEN = "a file gets room for what is written, and for nothing else"
DIRTY = "a page of a file is mapped writable only while it is marked dirty"
PRIVATE = "what is written to a private mapping is no file's affair"
COUNTED = "amap_stats counts what there is"
BEHIND = "what fails leaves all as it was"
ENTRIES = "a map has at most MAP_ENTRIES_MAX entries"

DISCARDS: bool = lab.of_judge(__file__).figures["discard_shared"] == 1
NOT_MADE = "thrown away, or not written yet" if DISCARDS else "not written yet"
CHANGES = "throws away, or puts into a slot" if DISCARDS else "puts into a slot"
"""What who shares for good may do to a page of all."""
