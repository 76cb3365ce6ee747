// SPDX-License-Identifier: BSD-2-Clause
//
// The files of /proc/vm that do something: check, reclaim, jitter and inject; see vm_files.h.
#pragma once

void vm_controls_init(void);
