# akash: everything a newcomer needs is `make up` and `make test`. Debian 12, Go, root for containers.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
# libsecp256k1_sdk checks signatures in a third of the time of pure Go and needs a C compiler; tinygo keeps out a second
# copy of that C library, which go-ethereum (IBC's ABI encoding) brings and the linker refuses beside the first.
# BUILD_TAGS= builds with pure Go; both kinds agree on every signature (docs/adr/0015-performance.md).
BUILD_TAGS ?= libsecp256k1_sdk,tinygo
version_pkg := github.com/cosmos/cosmos-sdk/version
LDFLAGS = -s -w \
	-X $(version_pkg).Name=akash -X $(version_pkg).AppName=akash \
	-X $(version_pkg).Version=$(VERSION) -X $(version_pkg).Commit=$(COMMIT) \
	-X $(version_pkg).BuildTags=$(BUILD_TAGS)

# How many leases are in the state of make bench's filled node.
FILL ?= 100000
HOME_DIR ?= $(HOME)/.akash/local
UP_FLAGS ?=

packages := containerd runc iproute2 nftables e2fsprogs protobuf-compiler ca-certificates git gcc libc6-dev

.PHONY: help setup packages js build examples sandbox up down reset test unit lint proto proto-check bench clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 14

setup: packages sandbox build ## all that the rest needs: Debian packages, the gVisor sandbox, the program

packages:
	@# A node from 18 on, whoever's it is, will do for the tests' JavaScript clients.
	@node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)' 2>/dev/null && npm --version >/dev/null 2>&1 && js= || js='nodejs npm'; \
	missing=$$(for p in $(packages) $$js; do dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
	if [ -n "$$missing" ]; then \
		[ "$$(id -u)" = 0 ] || { echo "these Debian packages are missing, and only root can install them:" $$missing >&2; exit 1; }; \
		command -v apt-get >/dev/null || { echo "please install:" $$missing >&2; exit 1; }; \
		echo "installing" $$missing; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	fi
	@# The package starts a containerd of the system's own; akash brings its own and doesn't use it.

js: test/js/node_modules/.package-lock.json ## the published JavaScript clients that test/js runs

test/js/node_modules/.package-lock.json: test/js/package.json test/js/package-lock.json test/js/.npmrc
	cd test/js && npm ci --no-progress --loglevel=error
	@touch $@

sandbox: build/bin/runsc ## the gVisor sandbox, built from its Go module

build/bin/runsc: tools/go.mod tools/go.sum
	@echo "building runsc (gVisor): about two minutes, once"
	@mkdir -p build/bin
	cd tools && CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o ../build/bin/runsc gvisor.dev/gvisor/runsc
	@touch $@

build: examples ## build/akash
	@mkdir -p build
	go build -tags '$(BUILD_TAGS)' -ldflags '$(LDFLAGS)' -o build/akash ./cmd/akash

examples:
	@mkdir -p build/examples
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o build/examples/ ./examples/web ./examples/backend

up: setup ## a whole market on this machine; ends with the URL of a page it runs
	build/akash up --detach --home '$(HOME_DIR)' $(UP_FLAGS)

down: ## stop it; `make reset` removes it
	build/akash down --home '$(HOME_DIR)'

reset:
	build/akash down --all --home '$(HOME_DIR)'

test: setup js ## everything: unit, property, corpus, wire and end-to-end with real containers
	AKASH_TEST_CONTAINERS=1 go test -tags '$(BUILD_TAGS)' -timeout 30m $$(go list ./... | grep -v -e /test/e2e -e /test/js)
	@# Alone, so that its times mean something; -v shows them.
	AKASH_TEST_CONTAINERS=1 AKASH_BIN='$(CURDIR)/build/akash' go test -v -count=1 -timeout 30m ./test/e2e
	AKASH_BIN='$(CURDIR)/build/akash' go test -v -count=1 -timeout 15m ./test/validators
	@# Published JavaScript clients against a market of their own.
	AKASH_TEST_CONTAINERS=1 AKASH_BIN='$(CURDIR)/build/akash' go test -v -count=1 -timeout 10m ./test/js

unit: ## the tests that need neither root nor containers
	go test -tags '$(BUILD_TAGS)' ./...

lint: ## gofmt, vet, staticcheck, and the generated code against its source
	@unformatted=$$(git ls-files -z '*.go' ':!api' | xargs -0 gofmt -l); \
	[ -z "$$unformatted" ] || { echo "not gofmt'ed:" $$unformatted >&2; exit 1; }
	go vet -tags '$(BUILD_TAGS)' ./...
	@mkdir -p build/bin
	cd tools/lint && go build -o ../../build/bin/staticcheck honnef.co/go/tools/cmd/staticcheck
	build/bin/staticcheck -tags '$(BUILD_TAGS)' $$(go list ./... | grep -v /api/)
	@$(MAKE) --no-print-directory proto-check

proto: packages ## make api/ anew from proto/
	proto/generate.sh

proto-check: packages
	@before=$$(git ls-files -z api ':!api/*_test.go' | xargs -0 sha256sum | sha256sum); \
	proto/generate.sh; \
	after=$$(git ls-files -z api ':!api/*_test.go' | xargs -0 sha256sum | sha256sum); \
	[ "$$before" = "$$after" ] || { echo "api/ differs from proto/: run make proto and commit the result" >&2; git --no-pager diff --stat api >&2; exit 1; }; \
	echo "api/ is what proto/ makes"

bench: setup ## the chain under load; from akash deploy to the first 200, part by part
	go build -o build/bench ./test/bench
	build/bench load
	build/bench fill -leases $(FILL)
	AKASH_TEST_CONTAINERS=1 AKASH_BIN='$(CURDIR)/build/akash' build/bench deploy

clean:
	rm -rf build
