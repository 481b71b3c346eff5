#!/bin/sh
# Has Thunderbird without a window fetch over IMAP from the real program: it lists,
# fetches, marks, files and deletes. Apart from the other tests, for its package is
# 300 MB. With root or sudo on Debian it is installed if it is missing.
set -eu

if ! command -v thunderbird >/dev/null 2>&1; then
	become=''
	[ "$(id -u)" -eq 0 ] || become='sudo -n'
	$become apt-get update >/dev/null
	$become env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends thunderbird >/dev/null
fi
cd "$(dirname "$0")/.."
go vet -tags thunderbird ./internal/interop
CI=true go test -count 1 -v -tags thunderbird -timeout 6m -run Thunderbird ./internal/interop
