# SPDX-License-Identifier: BSD-2-Clause
"""Lectures: a running kernel's memory as a record of steps, and the players that show it."""
