# make demo and make test are all that a newcomer needs; the rest is for work
# on the code.

VERSION := $(shell sed -n 's/^\#\# \[\([0-9][^]]*\)\].*/\1/p' CHANGELOG.md | head -n 1)
GOFLAGS_BUILD := -trimpath -ldflags '-s -w -X main.version=$(VERSION)'
FUZZTIME ?= 10s
TESTTIME ?= 12m

.PHONY: build demo test unit race fuzz-short lint interop thunderbird bench chaos peers clean

# One static binary, bin/postern.
build:
	CGO_ENABLED=0 go build $(GOFLAGS_BUILD) -o bin/postern ./cmd/postern

# Three gateways on this machine, a real record across, every step shown.
demo: build
	./bin/postern demo

# Everything, with the real peers, under the race detector.
test: peers lint race

# Without peers that are not installed, and without the race detector.
unit:
	go test -shuffle=on -timeout $(TESTTIME) ./...

race:
	CI=true go test -race -shuffle=on -timeout $(TESTTIME) ./...

# The tests that drive real peers, with their output.
interop: peers
	CI=true go test -v -timeout $(TESTTIME) -run 'Interop|Script' ./...

# Thunderbird over IMAP; its package is 300 MB.
thunderbird:
	scripts/thunderbird.sh

# Every fuzz target for FUZZTIME.
fuzz-short:
	scripts/fuzz.sh $(FUZZTIME)

lint:
	@files=$$(gofmt -l .); [ -z "$$files" ] || { echo "gofmt would change: $$files" >&2; exit 1; }
	go vet ./...
	go tool staticcheck ./...

# Ratios against floors and peers in the same run; see docs/performance.md.
bench:
	go run ./bench

# Two gateways are killed a hundred times while everything else goes wrong; see
# docs/chaos.md.
chaos: peers
	timeout 12m go run ./chaos

# Install the Debian packages of the peers, or say which are missing.
peers:
	@scripts/peers.sh

clean:
	rm -rf bin
