// SPDX-License-Identifier: BSD-2-Clause
//
// The files of /proc that describe the whole system, in Linux's formats.
#pragma once

void sys_files_init(void);
