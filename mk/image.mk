# SPDX-License-Identifier: BSD-2-Clause
# The disk image.

image:
