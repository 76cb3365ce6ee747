# SPDX-License-Identifier: BSD-2-Clause
"""The benchmark: a program for the guest and the driver that tabulates it."""
