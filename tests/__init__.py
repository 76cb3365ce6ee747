# SPDX-License-Identifier: BSD-2-Clause
"""The tests that `make check` runs: run.py is the runner, suites/ has one file per suite."""
