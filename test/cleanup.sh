#!/usr/bin/env bash
# Removes what a test left below the folder given: processes that name it, mounts in it, then itself.
# It touches nothing else, and is quiet when there is nothing to do.
set -u
dir=${1:?usage: cleanup.sh FOLDER}
dir=$(readlink -f "$dir") || exit 0
case $dir in / | /root | /tmp | /var | /home | "${HOME:-/root}") echo "not cleaning $dir" >&2; exit 1 ;; esac

# First in the program's own way, since it knows about its containers, networks and rules.
for marker in "$dir"/*/localnet.json "$dir"/*/*/localnet.json; do
	[ -f "$marker" ] || continue
	[ -x build/akash ] && timeout 60 build/akash down --all --home "$(dirname "$marker")" >/dev/null 2>&1
done

pids() {
	local p pid
	for p in /proc/[0-9]*; do
		pid=${p#/proc/}
		[ "$pid" = $$ ] || [ "$pid" = $PPID ] || [ "$pid" = "$BASHPID" ] && continue
		tr '\0' ' ' 2>/dev/null <"$p/cmdline" | grep -qF "$dir" && echo "$pid"
	done
}
for signal in TERM KILL; do
	found=$(pids | grep -vx $$)
	[ -n "$found" ] || break
	echo "left running: $found" >&2
	kill -$signal $found 2>/dev/null
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		[ -n "$(pids | grep -vx $$)" ] || break
		sleep 0.3
	done
done
awk -v d="$dir/" 'index($5, d) == 1 {print $5}' /proc/self/mountinfo | sort -r | while read -r m; do
	echo "left mounted: $m" >&2
	umount "$m" 2>/dev/null || umount -l "$m"
done
rm -rf -- "$dir"
