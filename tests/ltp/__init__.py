# SPDX-License-Identifier: BSD-2-Clause
"""The Linux Test Project's programs: the driver, what runs in the guest, and what need not pass."""
