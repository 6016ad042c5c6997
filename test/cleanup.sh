#!/usr/bin/env bash
# Removes what a test left behind: the markets whose homes are in the folder given, processes that name
# it, mounts in it, then the folder. It touches nothing else, and is quiet when there is nothing to do.
set -u
dir=${1:?usage: cleanup.sh FOLDER}
dir=$(readlink -f "$dir") || exit 0
[ -d "$dir" ] || exit 0
case $dir in / | /root | /tmp | /var | /home | "${HOME:-/root}") echo "not cleaning $dir" >&2; exit 1 ;; esac

# ours lists the processes whose command line holds the text given.
ours() {
	local p pid
	for p in /proc/[0-9]*; do
		pid=${p#/proc/}
		case $pid in $$ | "$PPID" | "$BASHPID") continue ;; esac
		tr '\0' ' ' 2>/dev/null <"$p/cmdline" | grep -qF -- "$1" && echo "$pid"
	done
	return 0
}

finish() { # text: end all processes that name it
	local signal found
	for signal in TERM KILL; do
		found=$(ours "$1")
		[ -n "$found" ] || return 0
		echo "still running, now ended: $(echo $found)" >&2
		# shellcheck disable=SC2086 # a list of numbers
		kill -$signal $found 2>/dev/null
		for _ in 1 2 3 4 5 6 7 8 9 10; do
			[ -z "$(ours "$1")" ] && return 0
			sleep 0.3
		done
	done
}

unmount() { # folder: all mounts in it, the innermost first
	awk -v d="$1/" 'index($5, d) == 1 {print $5}' /proc/self/mountinfo | sort -r | while read -r m; do
		echo "still mounted, now not: $m" >&2
		umount "$m" 2>/dev/null || umount -l "$m"
	done
}

for mark in "$dir"/.akash-localnet "$dir"/*/.akash-localnet "$dir"/*/*/.akash-localnet; do
	[ -e "$mark" ] || continue
	home=$(dirname "$mark")
	# First in the program's own way, since it knows its containers, networks and rules.
	[ -x build/akash ] && timeout 60 build/akash down --all --home "$home" >/dev/null 2>&1
	# The provider's tag names all that it makes outside its home.
	tag=$(printf %s "$home/provider/runtime" | sha256sum | cut -c1-5)
	finish "/run/akash-$tag"
	for link in /sys/class/net/ak"$tag"*; do
		[ -e "$link" ] && ip link delete "${link##*/}"
	done
	nft delete table inet "akash_$tag" 2>/dev/null
	unmount "/run/akash-$tag"
	rm -rf "/run/akash-$tag"
done
finish "$dir"
unmount "$dir"
rm -rf -- "$dir"
