# SPDX-License-Identifier: BSD-2-Clause
"""Drives the lecture's players: a browser and a terminal."""
