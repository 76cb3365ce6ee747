# SPDX-License-Identifier: BSD-2-Clause
# What proves the grader, and what an instructor does with it: mutants, cheats, mechanical mutation,
# the students' tree, grading a class.

ONLY ?=
WITHOUT ?=
OUT ?=
FROM ?=
GUIDE ?=
SUBMISSIONS ?=
RECORDS ?=
QUICK ?=
RECORD ?=
N ?=
HUNT ?=
SUB ?=
PEOPLE ?=
STUDENT ?=
STAFF_WORDS := ONLY WITHOUT OUT FROM GUIDE SUBMISSIONS RECORDS QUICK RECORD N HUNT \
	SUB STUDENT PEOPLE
EXPORTED += $(STAFF_WORDS)
export $(STAFF_WORDS)

HUNTER := grade.staff.hunt

.PHONY: grade-many mutants cheats mutate variants handout export batch batch-merge \
	gradescope viva check-all
grade-many:
	@$(call finally,$(PYTHON) -m grade.staff.grade_many)

mutants:
	@$(call finally,$(PYTHON) -m grade.staff.mutants)

cheats:
	@$(call finally,$(PYTHON) -m grade.staff.mutants --kinds cheat)

mutate:
	@$(call finally,$(PYTHON) -m grade.staff.mutate)

variants:
	@$(call finally,$(PYTHON) -m grade.staff.prove_variants)

handout:
	@$(PYTHON) -m grade.staff.handout

export:
	@$(PYTHON) -m grade.staff.export

batch:
	@$(call finally,$(PYTHON) -m grade.staff.batch)

batch-merge:
	@$(PYTHON) -m grade.staff.batch_merge

gradescope:
	@$(PYTHON) -m grade.gradescope.pack

viva:
	@$(PYTHON) -m grade.staff.viva

# Everything: what make check leaves out because it takes long.
check-all: all $(GUESTS) $(HOST_TESTS)
	@$(call finally,$(PYTHON) -m tests.run --out $(O) --kernel $(KERNEL) --all --test '$(TEST)')
