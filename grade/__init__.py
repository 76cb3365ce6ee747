# SPDX-License-Identifier: BSD-2-Clause
"""The host side of Strata: drives QEMU, reads the record channel, names what happened."""
