#!/bin/sh
# Runs every fuzz target of the module, one after the other, for the time given.
set -eu
time=${1:-10s}
go list ./... | while read -r pkg; do
	go test -list '^Fuzz' "$pkg" | { grep '^Fuzz' || true; } | while read -r target; do
		echo "== $pkg $target ($time)"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$pkg" </dev/null
	done
done
