// SPDX-License-Identifier: BSD-2-Clause
//
// Points at which the machine stands still, so that a judge outside can read its memory: tests say
// what they did in a record `point ...', and the emulator's pvpanic device stops the machine. Where
// nobody asked for that device, a point is a record and nothing else. A watchdog device, if there
// is one, stops a machine that does not come to its next point.
#pragma once

// Emits `point <text>' and stops; returns once the judge lets the machine go on. First calls
// judge_report, if a lab's tests define it, to leave a report in memory. Takes what locks that
// takes.
void judge_point(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void judge_report(void) __attribute__((weak));

// From now on each point must come within so many seconds of the machine's own time after the
// one before; 0: no limit. At most 30.
void judge_deadline(unsigned seconds);
