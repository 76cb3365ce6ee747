// SPDX-License-Identifier: BSD-2-Clause
/*
 * Switching the machine off.
 */
#pragma once

#define RB_AUTOBOOT  0x01234567
#define RB_POWER_OFF 0x4321fedc

int reboot(int cmd);
