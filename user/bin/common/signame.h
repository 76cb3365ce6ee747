// SPDX-License-Identifier: BSD-2-Clause
/*
 * Signals by name, as kill and trap take them.
 */
#pragma once

int signal_number(const char *name); /* "INT", "SIGINT", "2", "0"; -1: unknown */
const char *signal_name(int sig);    /* "INT", or NULL */
