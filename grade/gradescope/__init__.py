# SPDX-License-Identifier: BSD-2-Clause
"""Gradescope: the archive that it wants, and what it runs."""
