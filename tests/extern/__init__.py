# SPDX-License-Identifier: BSD-2-Clause
"""Programs of others that are no part of this repository: make targets that take their path."""
