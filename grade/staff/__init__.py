# SPDX-License-Identifier: BSD-2-Clause
"""For instructors: classes, exports, the proof of the grader. No part of a students' tree."""
