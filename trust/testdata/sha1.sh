#!/bin/sh
# Writes sha1.pem: a root and a leaf signed by it with SHA-1. TEST ONLY.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
keys=$(dirname "$0")/../../internal/testnet/testdata/keys
openssl req -x509 -sha256 -key "$keys/rsa2048-01.pem" -subj "/CN=SHA-1 root TEST ONLY" \
	-days 36500 -out "$dir/root.pem"
printf 'subjectAltName=DNS:b.example\nbasicConstraints=CA:FALSE\n' >"$dir/ext"
openssl req -new -key "$keys/rsa2048-02.pem" -subj "/CN=b.example" -out "$dir/leaf.csr"
openssl x509 -req -sha1 -in "$dir/leaf.csr" -CA "$dir/root.pem" -CAkey "$keys/rsa2048-01.pem" \
	-set_serial 2 -days 36500 -extfile "$dir/ext" -out "$dir/leaf.pem"
cat "$dir/root.pem" "$dir/leaf.pem" >"$(dirname "$0")/sha1.pem"
