# SPDX-License-Identifier: BSD-2-Clause
"""The suites. Each module has `jobs(config)`, which lists what it would run."""
