# SPDX-License-Identifier: GPL-2.0
# Shared by the scripts of this directory; read, not run.
# shellcheck shell=bash

VM_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CHECKOUT=$(cd "$VM_DIR/../.." && pwd)
FERRY_CACHE=${FERRY_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/ferry}

# shellcheck source=tools/vm/guest.conf
. "$VM_DIR/guest.conf"

say() {
	printf 'ferry: %s\n' "$*" >&2
}

die() {
	say "$*"
	exit 1
}

# What decides the content of the tree decides the key; a script that only
# reports differently does not, hence SETUP_VERSION instead of its hash.
cache_key() {
	# shellcheck source=tools/vm/setup-version
	. "$VM_DIR/setup-version"
	{
		printf '%s\n' "$SETUP_VERSION" "$KERNEL_VERSION" "$GUEST_SUITE"
		grep -v '^#' "$VM_DIR/packages"
		cat "$VM_DIR/initramfs-init" "$VM_DIR/image-exclude"
	} | sha256sum | cut -c1-16
}

# The fragments that make a variant of the kernel, in order.
debug_fragments() {
	case $1 in
	debug) echo tools/debug/debug.config ;;
	kcsan) echo tools/debug/debug.config tools/debug/kcsan.config ;;
	*) die "there is no kernel '$1': stock, debug or kcsan" ;;
	esac
}

# debug_key VARIANT VERSION: the cache key of such a kernel.
debug_key() {
	local -a fragments
	read -ra fragments < <(debug_fragments "$1")
	echo "$1-$({
		echo "$2"
		cd "$CHECKOUT" || exit
		cat "${fragments[@]}" tools/debug/patches/*.patch tools/debug/build \
			tools/vm/initramfs-init
	} | sha256sum | cut -c1-16)"
}

# exec_in TREE CMD...: become CMD in TREE, with the checkout at /ferry.  The
# mounts are private to CMD, so any number of checkouts can be inside at once.
exec_in() {
	local tree=$1
	shift
	exec unshare --mount --propagation private -- \
		"$VM_DIR/enter" "$tree" "$CHECKOUT" "$@"
}

# The same, and come back.
enter() {
	(exec_in "$@")
}
