# SPDX-License-Identifier: BSD-2-Clause
# What the tests need built, and `make check`.

# Test guests: the harness's own little kernels, one for each way to end.
GUESTS := $(foreach v,ok panic hang spin flood triple early garbage,$(O)/tests/guests/$(v).elf)
guest-variant = $(shell echo $(1) | tr a-z A-Z)

$(O)/tests/guests/%.elf: tests/guests/guest.S tests/guests/guest.ld
	$(call begin,GUEST)
	$(Q)$(CC) -m64 -c -DVARIANT_$(call guest-variant,$*) -o $(@:.elf=.o) $<
	$(Q)$(LD) -n -T tests/guests/guest.ld -o $@ $(@:.elf=.o)

# Host unit tests: each tests/host/NAME.c is one program, with the sanitizers. A line in it says
# what it is linked with:
#   // link: kernel/lib/rbtree.c tests/host/lib/fake_locks.c
# Sources that several tests share are in tests/host/lib/. Each source is compiled once for all
# tests; the direct map is where a program can map memory. A test gets a seed as its argument.
HOST_TESTS := $(patsubst tests/host/%.c,$(O)/tests/host/%,$(wildcard tests/host/*.c))
HOST_CFLAGS := -std=gnu17 -g -O1 $(WARNINGS) -Wno-unused-result -fsanitize=address,undefined \
	-fno-sanitize-recover=undefined -fno-omit-frame-pointer -fno-strict-aliasing \
	-DDMAP_BASE=0x200000000000ul -DIRQ_SIMULATED -iquote kernel -iquote tests/host -iquote .
HOST_OBJ := $(O)/tests/host-obj
host-objects = $(patsubst %.c,$(HOST_OBJ)/%.o,$(1))

$(HOST_OBJ)/%.o: %.c
	$(call begin,HOST)
	$(Q)$(HOSTCC) $(HOST_CFLAGS) -MMD -MP -c -o $@ $<

$(O)/tests/host/%: $(HOST_OBJ)/tests/host/%.o
	$(call begin,HOST)
	$(Q)$(HOSTCC) $(HOST_CFLAGS) -o $@ $^

linked-with = $(wildcard $(shell sed -n 's,^// link: *,,p' $(1)))
define host-links
$(O)/tests/host/$(1): $(call host-objects,$(call linked-with,tests/host/$(1).c))
endef
ifneq ($(filter check check-all $(O)/tests/host/%,$(goals)),)
$(foreach test,$(notdir $(HOST_TESTS)),$(eval $(call host-links,$(test))))
HOST_SOURCES := $(sort $(wildcard tests/host/*.c) $(call linked-with,tests/host/*.c))
-include $(HOST_SOURCES:%.c=$(HOST_OBJ)/%.d)
endif

TEST ?=
SUITE ?=

# Host tests and guests are built only where SUITE and TEST, names or globs, can mean one of them;
# of the host tests only those that host/NAME/... means, if nothing else can.
asked = $(if $(filter-out $(1),$(SUITE)),,$(if $(TEST),$(filter h% *% ?% [%,$(TEST)),yes))

host-source = tests/$(subst $(space),/,$(wordlist 1,2,$(subst /,$(space),$(1)))).c
asked-hosts = $(if $(filter-out host/%,$(or $(filter h% *% ?% [%,$(TEST)),all)),$(HOST_TESTS),\
	$(patsubst %.c,$(O)/%,$(wildcard $(foreach word,$(TEST),$(call host-source,$(word))))))

check: all $(if $(call asked,harness),$(GUESTS)) $(if $(call asked,host),$(asked-hosts))
	@$(call finally,$(PYTHON) -m tests.run --out $(O) --kernel $(KERNEL) \
		--suite '$(SUITE)' --test '$(TEST)')

# The benchmark: a musl program, so that the same binary runs on Linux.
BENCH := $(if $(MUSLCC),$(O)/tests/bench)
$(O)/tests/bench: $(wildcard tests/bench/*.c tests/bench/*.h)
	$(call begin,MUSL)
	$(Q)$(MUSLCC) -static -O2 -g $(WARNINGS) -o $@ $(filter %.c,$^)

# Stress programs, plain Linux programs too.
STRESS_SRCS := $(if $(MUSLCC),$(wildcard tests/stress/*.c))
STRESS := $(patsubst tests/stress/%.c,$(O)/tests/stress/%,$(STRESS_SRCS))
$(O)/tests/stress/%: tests/stress/%.c $(wildcard tests/stress/*.h)
	$(call begin,MUSL)
	$(Q)$(MUSLCC) -static -g $(WARNINGS) -o $@ $<

# The Linux Test Project's programs, from a folder that somebody has built them into.
LTP ?=
LTP_ROOT := $(O)/ltp-root
ltp: ltp-image
	@$(call finally,$(PYTHON) -m tests.ltp.run --kernel $(KERNEL) --disk $(O)/ltp.img \
		--programs $(O)/ltp.list --test '$(TEST)')

.PHONY: ltp-image
ltp-image: all
	$(if $(wildcard $(LTP)/*),,$(error strata: LTP=$(LTP): must be a folder of static programs))
	$(call begin,IMAGE)
	$(Q)O='$(O)' STRIP='$(STRIP)' BUSYBOX='$(BUSYBOX)' sh mk/stage.sh $(LTP_ROOT)
	$(Q)mkdir -p $(LTP_ROOT)/ltp/testcases/bin && cp $(LTP)/* $(LTP_ROOT)/ltp/testcases/bin/
	$(Q)cp tests/ltp/batch.sh $(LTP_ROOT)/ltp/
	$(Q)ls $(LTP) | tee $(O)/ltp.list > $(LTP_ROOT)/ltp/list
	$(Q)$(O)/mkfs $(O)/ltp.img 2G $(LTP_ROOT)

bench: all
	@$(call finally,$(PYTHON) -m tests.bench.run $(BOOT))

# Programs of others, built elsewhere: tests/extern says how. Each gets an image of its own, made by
# a target of its own: what takes make's place does so before the other lines of its recipe.
SQLITE ?=
.PHONY: sqlite sqlite-image
sqlite: sqlite-image
	@$(call finally,$(PYTHON) -m tests.extern.sqlite --kernel $(KERNEL) \
		--disk $(O)/sqlite.img --program $(notdir $(SQLITE)))

sqlite-image: all
	$(if $(wildcard $(SQLITE)),,$(error strata: SQLITE=path of a static sqlite3 is missing))
	$(Q)O='$(O)' STRIP='$(STRIP)' BUSYBOX='$(BUSYBOX)' sh mk/stage.sh $(O)/sqlite-root $(SQLITE)
	$(Q)$(O)/mkfs $(O)/sqlite.img $(IMAGE_SIZE) $(O)/sqlite-root
