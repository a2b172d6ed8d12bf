# SPDX-License-Identifier: BSD-3-Clause
# Builds the unikernel:  make -f unikernel/kernel.mk O=build/kernel [SRC=unikernel] [CC=gcc|clang]
#   O/torobus.debug  with symbols, for gdb and addr2line
#   O/torobus.elf    stripped, what QEMU's -kernel gets
# EXTRA_SRC adds files, WITHOUT leaves folders or files out: both only for tests of a part.

SRC     ?= unikernel
O       ?= build/kernel
ifeq ($(origin CC),default)
CC      := gcc
endif
LD      ?= ld
OBJCOPY ?= objcopy
NM      ?= nm
ARCH    := x86_64
V       ?= 0
Q       := $(if $(filter 1,$(V)),,@)
say      = $(if $(filter 1,$(V)),:,printf '  %-7s %s\n')

MAX_BYTES := 409600

DIRS := arch/$(ARCH) core sched mm loader sys fs dev bus pmix lib
DIRS := $(filter-out $(WITHOUT),$(DIRS))
CSRC := $(foreach d,$(DIRS),$(sort $(wildcard $(SRC)/$(d)/*.c)))
CSRC := $(filter-out $(addprefix $(SRC)/,$(WITHOUT)),$(CSRC))
SSRC := $(foreach d,$(DIRS),$(sort $(wildcard $(SRC)/$(d)/*.S)))
OBJS := $(patsubst $(SRC)/%,$(O)/%.o,$(CSRC) $(SSRC)) \
        $(patsubst %,$(O)/extra/%.o,$(notdir $(EXTRA_SRC)))

CCINC := $(shell $(CC) -print-file-name=include)

# The kernel uses no vector or x87 register: those always hold the running program's values.
CPPFLAGS_K := -nostdinc -isystem $(CCINC) -I$(SRC)/include -I$(SRC)/uapi -I$(SRC)/arch/$(ARCH) \
              -D__TOROBUS_KERNEL__=1
COMMON_K   := -ffreestanding -fno-pie -fno-pic -m64 -mno-red-zone -mcmodel=kernel -g -O2
CFLAGS_K   := -std=gnu11 $(COMMON_K) -mgeneral-regs-only \
              -fstack-protector-strong -mstack-protector-guard=global \
              -fno-omit-frame-pointer -fno-optimize-sibling-calls -fno-asynchronous-unwind-tables \
              -fno-strict-aliasing -fno-delete-null-pointer-checks -fno-common -fcf-protection=none \
              -ffunction-sections -fdata-sections \
              -Wall -Wextra -Werror -Wmissing-prototypes -Wstrict-prototypes -Wundef -Wvla \
              -Wframe-larger-than=6144 $(CFLAGS_EXTRA)
LDFLAGS_K  := -m elf_x86_64 -static --gc-sections -z max-page-size=4096 -z noexecstack \
              --build-id=none --orphan-handling=error --no-warn-rwx-segments
LDFLAGS_K  := $(filter-out $(if $(shell $(LD) --help | grep -c warn-rwx | grep -v '^0'),,--no-warn-rwx-segments),$(LDFLAGS_K))

VDSO_FLAGS := -std=gnu11 -O2 -m64 -fPIC -ffreestanding -nostdinc -isystem $(CCINC) -I$(SRC)/arch/$(ARCH) \
              -fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none \
              -fvisibility=hidden -fno-jump-tables \
              -mgeneral-regs-only -Wall -Wextra -Werror -Wmissing-prototypes
VDSO_DIR   := $(SRC)/arch/$(ARCH)/vdso

.SUFFIXES:
.DELETE_ON_ERROR:
.PHONY: all clean
all: $(O)/torobus.elf

$(O)/%.c.o: $(SRC)/%.c $(SRC)/kernel.mk
	@mkdir -p $(@D)
	@$(say) CC $<
	$(Q)$(CC) $(CPPFLAGS_K) $(CFLAGS_K) -MMD -MP -MF $@.d -c $< -o $@

$(O)/%.S.o: $(SRC)/%.S $(SRC)/kernel.mk
	@mkdir -p $(@D)
	@$(say) AS $<
	$(Q)$(CC) $(CPPFLAGS_K) $(COMMON_K) -I$(O) -D__ASSEMBLY__=1 -MMD -MP -MF $@.d -c $< -o $@

define extra_rule
$(O)/extra/$(notdir $(1)).o: $(1) $(SRC)/kernel.mk
	@mkdir -p $$(@D)
	@$(say) CC $$<
	$(Q)$(CC) $(CPPFLAGS_K) $(if $(filter %.S,$(1)),$(COMMON_K) -D__ASSEMBLY__=1,$(CFLAGS_K)) \
	    -MMD -MP -MF $$@.d -c $$< -o $$@
endef
$(foreach f,$(EXTRA_SRC),$(eval $(call extra_rule,$(f))))

# The vDSO: a shared object of its own, embedded by arch/x86_64/vdso_image.S.
$(O)/vdso.o: $(VDSO_DIR)/vdso.c $(SRC)/kernel.mk
	@mkdir -p $(@D)
	@$(say) CC $<
	$(Q)$(CC) $(VDSO_FLAGS) -MMD -MP -MF $@.d -c $< -o $@
$(O)/vdso.so: $(O)/vdso.o $(VDSO_DIR)/vdso.lds
	@$(say) LD $@
	$(Q)$(LD) -m elf_x86_64 -shared -soname linux-vdso.so.1 -z max-page-size=4096 -z noexecstack \
	    --hash-style=both --build-id=none --no-undefined -Bsymbolic -T $(VDSO_DIR)/vdso.lds $< -o $@.tmp
	$(Q)$(OBJCOPY) -S $@.tmp $@
	@rm -f $@.tmp
$(O)/arch/$(ARCH)/vdso_image.S.o: $(O)/vdso.so

# Function names for the kernel's own backtraces: link, list, link again. The table lies behind all
# code, so that no function moves; the comparison makes sure of it.
SYMS_AWK = $$2 ~ /^[tT]$$/ && $$3 !~ /^[.$$]/ && !seen[$$1]++ { print $$1, $$3 }

$(O)/syms0.o: $(SRC)/kernel.mk
	@mkdir -p $(@D)
	$(Q)printf '.section .ksyms,"a"\n' | $(CC) -m64 -x assembler -c - -o $@

$(O)/stage1: $(OBJS) $(O)/syms0.o $(SRC)/kernel.lds
	@$(say) LD $@
	$(Q)$(LD) $(LDFLAGS_K) -T $(SRC)/kernel.lds $(OBJS) $(O)/syms0.o -o $@

$(O)/syms.S: $(O)/stage1
	$(Q)$(NM) -n $< | awk '$(SYMS_AWK)' > $(O)/syms.txt
	$(Q)awk 'BEGIN { print ".section .ksyms,\"a\"" } \
	     { print ".long 0x" substr($$1, 9) " - 0x80000000"; print ".byte " length($$2); print ".ascii \"" $$2 "\"" } \
	     END { print ".long 0" }' $(O)/syms.txt > $@

$(O)/syms.o: $(O)/syms.S
	$(Q)$(CC) -m64 -c $< -o $@

$(O)/torobus.debug: $(O)/stage1 $(O)/syms.o $(SRC)/kernel.lds
	@$(say) LD $@
	$(Q)$(LD) $(LDFLAGS_K) -T $(SRC)/kernel.lds $(OBJS) $(O)/syms.o -o $@
	$(Q)$(NM) -n $@ | awk '$(SYMS_AWK)' | cmp -s - $(O)/syms.txt || \
	    { echo "$@: functions moved between the two links" >&2; rm -f $@; exit 1; }

$(O)/torobus.elf: $(O)/torobus.debug
	@$(say) STRIP $@
	$(Q)$(OBJCOPY) -S $< $@
	$(Q)size=$$(wc -c < $@); if [ $$size -gt $(MAX_BYTES) ]; then \
	    echo "$@: $$size bytes, more than $(MAX_BYTES)" >&2; rm -f $@; exit 1; fi

clean:
	rm -rf $(O)/arch $(O)/core $(O)/sched $(O)/mm $(O)/loader $(O)/sys $(O)/fs $(O)/dev $(O)/bus $(O)/pmix \
	    $(O)/lib $(O)/extra $(O)/vdso.* $(O)/syms* $(O)/stage1 $(O)/torobus.debug $(O)/torobus.elf

-include $(OBJS:.o=.o.d) $(O)/vdso.o.d
