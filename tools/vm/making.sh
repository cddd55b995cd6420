# SPDX-License-Identifier: GPL-2.0
# How an entry of the cache is made: under another name, logged, with progress,
# by one process at a time.  Read by the scripts that make one, not run.
#
# They set $key, the entry's name, and $stages, how many stages there are.
# shellcheck shell=bash disable=SC2034,SC2154

started=$SECONDS

# begin_making WHAT: when this returns, either the entry is there, or nobody
# else is making it.  The lock goes with the last process of the making.
begin_making() {
	mkdir -p "$FERRY_CACHE/log"
	log=$FERRY_CACHE/log/$1-$key-$(date +%Y%m%d-%H%M%S).log
	: >"$log"
	take_lock
}

take_lock() {
	exec {lock}>"$FERRY_CACHE/$key.lock"
	flock --nonblock "$lock" && return
	say "somebody else is making the same; waiting for it"
	until flock --timeout 10 "$lock"; do
		say "  still waiting ($((SECONDS - started)) s)"
	done
}

# Set $work to where it is made.
make_work_dir() {
	# Left by one that was killed: its lock is gone, so is its maker.
	rm -rf "$FERRY_CACHE/.making.$key".*
	work=$(mktemp -d "$FERRY_CACHE/.making.$key.XXXXXX")
	chmod 755 "$work"
	trap 'rm -rf "$work"' EXIT
	trap 'stop_all; exit 130' INT TERM
}

# Put in place what is whole now.
end_making() {
	sync -f "$work"
	mv "$work" "$FERRY_CACHE/$key"
}

stage() {
	local number=$1
	shift
	stage_text="[$number/$stages] $*"
	stage_from=$SECONDS
	printf 'ferry: %s … (%d s)\n' "$stage_text" $((SECONDS - started)) >&2
}

# logged CMD...: run CMD with its output in the log, and say how far it is: every
# 5 s at first, after a minute every 30 s.
logged() {
	local from pid tick=0
	from=$(wc -l <"$log")
	"$@" >>"$log" 2>&1 </dev/null &
	pid=$!
	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.5
		tick=$((tick + 1))
		[ $((tick % (tick > 120 ? 60 : 10))) -ne 0 ] || progress "$from"
	done
	if ! wait "$pid"; then
		say "failed: $stage_text; the end of $log:"
		tail -n 25 "$log" >&2
		exit 1
	fi
}

# One line of progress, from what the tools wrote since line $1.
progress() {
	tail -n "+$(($1 + 1))" "$log" | awk -v seconds=$((SECONDS - stage_from)) '
		/^Get:/		{ get++ }
		/^Unpacking/	{ unpack++ }
		/^Setting up/	{ set++ }
		/^  (CC|AS|LD|AR) /	{ built++ }
		NF		{ last = $0 }
		END {
			if (get + unpack + set)
				what = sprintf("fetched %d, unpacked %d, set up %d",
					       get, unpack, set)
			else if (built)
				what = sprintf("made %d files, now %s", built,
					       substr(last, 1, 50))
			else
				what = substr(last, 1, 60)
			printf "ferry:       %s (%d s)\n", what, seconds
		}' >&2
}

# Whatever is still at work in the tree, before it is removed.  Run by vm, this
# script is the first process of its namespace, and -1 is all others in it.
stop_all() {
	[ $$ -ne 1 ] || kill -KILL -1 || true
}
