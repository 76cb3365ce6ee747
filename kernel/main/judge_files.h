// SPDX-License-Identifier: BSD-2-Clause
//
// /proc/judge: a program that writes a name to it makes a point (dev/judge.h) of that name.
#pragma once

void judge_files_init(void);
