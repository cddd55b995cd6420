# SPDX-License-Identifier: GPL-2.0
# `make help` lists what there is.
#
# Two builds, in two places: build/host for the running machine (or KDIR=),
# build/guest for the guest's kernel, made inside the guest's tree.  Every
# directory with user-space code has a Makefile that is called as
#	make -C DIR O=<its output directory> KSRC=<kernel source> TARGET
# with the targets all, install (DESTDIR=, PREFIX=) and clean.

SHELL := /bin/bash
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := all

KDIR	?= /lib/modules/$(shell uname -r)/build
KSRC	?= $(KDIR)
PREFIX	?= /usr/local
DESTDIR	?=
OUT	?= $(CURDIR)/build/host

VERSION	:= $(shell sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' dkms.conf)
VM	:= tools/vm/vm
JOBS	:= -j$(shell nproc)

# Those directories that are there, in the order in which they need each other.
with_makefile = $(patsubst %/Makefile,%,$(wildcard $(addsuffix /Makefile,$(1))))
USER_DIRS := $(call with_makefile,lib tools)
TEST_DIRS := $(call with_makefile,selftests benchmarks)

KBUILD = $(MAKE) -C $(KDIR) M=$(CURDIR)/driver MO=$(OUT)/driver
SUBMAKE = $(MAKE) $(if $(V),,-s) -C $(1) O=$(OUT)/$(1) KSRC=$(KSRC)

#? On this machine's kernel (or KDIR=<kernel build directory>):
#?   make               module, library and command, into build/host
#?   make install       install them (DESTDIR=, PREFIX=/usr/local)
#?   make dkms-install  have DKMS build the module for each kernel installed
#?
.PHONY: all module $(USER_DIRS) $(TEST_DIRS) install dkms-install
all: module $(USER_DIRS)

module:
	@[ -d "$(KDIR)/" ] || { echo "No kernel headers at $(KDIR): install" \
		"those of the running kernel, or give KDIR=." \
		"The targets that use the guest need none: make help." >&2; exit 1; }
	@mkdir -p $(OUT)/driver
	@echo "  MAKE  driver"
	@$(KBUILD) modules

$(USER_DIRS) $(TEST_DIRS):
	@mkdir -p $(OUT)/$@
	@echo "  MAKE  $@"
	@$(call SUBMAKE,$@) all

tools: $(filter lib,$(USER_DIRS))
$(TEST_DIRS): $(USER_DIRS)

install: all
	@# Unsigned: a distribution's key is not on the machine.
	@$(KBUILD) INSTALL_MOD_PATH=$(DESTDIR) CONFIG_MODULE_SIG_ALL= modules_install
	@set -e; for dir in $(USER_DIRS); do \
		echo "  INSTALL $$dir"; \
		$(call SUBMAKE,$$dir) DESTDIR=$(DESTDIR) PREFIX=$(PREFIX) install; \
	done
	@# Into the running system: make modprobe and the linker see them.
	@[ -n "$(DESTDIR)" ] || { \
		depmod "$$(cat $(KDIR)/include/config/kernel.release)"; ldconfig; }

dkms-install:
	rm -rf $(DESTDIR)/usr/src/ferry-$(VERSION)
	mkdir -p $(DESTDIR)/usr/src/ferry-$(VERSION)
	cp -a Makefile dkms.conf driver include $(DESTDIR)/usr/src/ferry-$(VERSION)/
	[ -n "$(DESTDIR)" ] || dkms install ferry/$(VERSION)

#? In the guest, a virtual machine with a stock kernel (set up when missing):
#?   make demo          boot, load the driver, run the demo
#?   make test          unit tests and selftests (TESTS= to select); counts last
#?   make test-hmm      the kernel's own hmm-tests: as they are, in reverse, two copies
#?                      at once, RUNS=20 times; PEER=test_hmm compares their driver
#?   make vm-shell      a prompt in the guest: driver loaded, this tree at /ferry
#?   make bench         figures in instructions a page, into build/bench
#?   make bench-wall    the same in MB/s of a real clock
#?   make bench-profile where the instructions go, by function (TOP=20 of each)
#?   make guest         only build, for the guest, into build/guest
#?   make guest-setup   only set up the guest
#?
.PHONY: guest guest-base guest-setup inside-guest demo test test-hmm vm-shell bench bench-wall bench-profile
guest-setup:
	@$(VM) setup

# Build in the guest's tree, where OUT is below /ferry.
IN_GUEST = $(VM) chroot make $(JOBS) OUT=/ferry/build/guest \
	KDIR=/lib/modules/$$($(VM) kernel)/build KSRC=/usr/src/linux-source

guest: guest-setup
	@$(IN_GUEST) inside-guest

guest-base: guest-setup
	@$(IN_GUEST) all

# Called in the guest's tree.
inside-guest: all $(TEST_DIRS)

DEMO_PARAMS ?= devices=2

demo: guest-base
	@$(VM) run --name demo --check-log --timeout 900 --driver='$(DEMO_PARAMS)' -- build/guest/tools/ferry demo

test: guest
	@tools/vm/test $(TESTS)

# MODES= and KERNEL= as well: see tools/hmm-tests/run.
test-hmm: $(if $(filter-out stock,$(KERNEL)),module-$(KERNEL),guest)
	@PEER="$(PEER)" RUNS="$(RUNS)" MODES="$(MODES)" KERNEL="$(KERNEL)" \
		tools/hmm-tests/run

vm-shell: guest
	@$(VM) shell

# Which commit the records are of; "dirty" with changes on top.
COMMIT = $$(git describe --always --dirty 2>/dev/null || echo none)

bench: guest
	@mkdir -p build/bench
	@$(VM) run --name bench --icount --numa 2 -- \
		env FERRY_COMMIT="$(COMMIT)" benchmarks/run

bench-wall: guest
	@mkdir -p build/bench
	@$(VM) run --name bench-wall --numa 2 -- \
		env FERRY_COMMIT="$(COMMIT)" benchmarks/run --wall

bench-profile: guest
	@mkdir -p build/bench
	@$(VM) run --name bench-profile --icount --numa 2 --qemu-arg -plugin \
		--qemu-arg file=/ferry/build/guest/benchmarks/profile.so,out=/ferry/build/bench/profile.raw \
		-- benchmarks/run --profile
	@$(VM) chroot benchmarks/profile-report $(TOP)

#? In a guest with a kernel to debug with (built once, by and by 15 minutes):
#?   make debug-kernel  only build the kernel
#?   make test-debug    the same tests under KASAN, lockdep, kmemleak, ...
#?   make test-kcsan    the same under KCSAN, which looks for data races
#?
.PHONY: debug-kernel module-debug module-kcsan test-debug test-kcsan
debug-kernel: guest-setup
	@$(VM) debug-kernel debug

# Of the driver alone: user space is that of the other guest.
module-debug module-kcsan: module-%: guest
	@$(VM) debug-kernel $*
	@$(VM) chroot --kernel $* make $(JOBS) OUT=/ferry/build/$* \
		KDIR=/kernel/build module

test-debug test-kcsan: test-%: module-%
	@tools/debug/test $* '$(TESTS)'

#? Beside that (V=1 with any of them shows the compiler lines of user space):
#?   make check         style, static checks, documentation
#?   make format        let clang-format rewrite what make check minds of it
#?   make clean         remove build/
#?   make distclean     the same, and the guest that is kept in the user's cache
.PHONY: help check format clean distclean
help:
	@sed -n 's/^#? \?//p' Makefile

check: guest-setup
	@$(VM) chroot tools/check/run

format: guest-setup
	@$(VM) chroot tools/check/run --fix-format

clean:
	rm -rf build

distclean: clean
	$(VM) clean-cache
