#!/bin/sh
# Runs every fuzz target of the module, one after the other, for the time given.
# A failure does not hold up the others: those that failed are named at the end,
# and then the script fails.
set -eu
time=${1:-10s}
failed=
packages=$(go list ./...)
for pkg in $packages; do
	list=$(go test -list '^Fuzz' "$pkg") || failed="$failed $pkg"
	for target in $(echo "$list" | grep '^Fuzz' || true); do
		echo "== $pkg $target ($time)"
		# A finding is reported as it was met: a long search for a smaller one
		# would take the time of the others.
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 1x "$pkg" </dev/null ||
			failed="$failed $pkg:$target"
	done
done
if [ -n "$failed" ]; then
	echo "failed:" >&2
	printf '  %s\n' $failed >&2
	exit 1
fi
