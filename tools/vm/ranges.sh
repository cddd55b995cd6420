# SPDX-License-Identifier: GPL-2.0
# Two ranges that the guest's kernel keeps out of, for selftests/range: one that
# is reserved, and one of the sort that firmware sets aside.  Read, not run.
# shellcheck shell=bash disable=SC2016,SC2034
ranges='memmap=64M$0x140000000 memmap=32M%0x150000000-1+0xefffffff'
