# The words of this house. `make` alone lists them.

SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

# The version comes from git here, so Go need not ask git itself (which it
# cannot where the clone belongs to another user).
VERSION := $(shell git describe --always --dirty 2>/dev/null || echo dev)
export GOFLAGS := $(strip $(GOFLAGS) -buildvcs=false)

# What `make run` listens on, and how fast its simulated day passes.
HTTP  ?= 127.0.0.1:8080
MQTT  ?= 127.0.0.1:1883
SPEED ?= 60

# How long each fuzz target runs.
FUZZTIME ?= 10s

PROGRAMS := $(wildcard cmd/kiosk cmd/collector cmd/fleet)
SOURCES  := $(wildcard cmd collector config device scripts sync ui vote)

# What git sees of the tree; `make test` compares it before and after.
TREE := { git status --porcelain --untracked-files=all; git diff; } 2>/dev/null || true

.PHONY: help run build test check house race fuzz build386 faults full faultfs crash damage bench compare clean

help: ## list these words
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## build, then a hall on this machine: broker, centre, terminals (HTTP, MQTT, SPEED)
	@$(MAKE) build
	@HTTP='$(HTTP)' MQTT='$(MQTT)' SPEED='$(SPEED)' scripts/run

build: ## bin/kiosk, bin/collector, bin/fleet: static, version from git
	@mkdir -p bin
	@for p in $(PROGRAMS); do \
		echo "build bin/$${p#cmd/} $(VERSION)"; \
		CGO_ENABLED=0 go build -trimpath -ldflags '-X main.version=$(VERSION)' -o "bin/$${p#cmd/}" "./$$p"; \
	done

test: ## everything a landing must pass: setup, check, race, fuzz, build386, a clean tree
	@scripts/setup
	@before="$$($(TREE))"; \
	for part in check race fuzz build386; do \
		echo "== make $$part"; \
		$(MAKE) $$part; \
	done; \
	after="$$($(TREE))"; \
	if [ "$$before" != "$$after" ]; then \
		echo 'the tests changed the tree; they must write to t.TempDir() or to ignored folders:'; \
		diff <(echo "$$before") <(echo "$$after") || true; \
		exit 1; \
	fi; \
	echo 'make test: all passed, the tree is as it was'

check: ## gofmt, vet, staticcheck, the rules of the house, go.mod is tidy
	@bad="$$(gofmt -l $(SOURCES))"; \
	if [ -n "$$bad" ]; then echo 'not formatted, run gofmt -w on:'; echo "$$bad"; exit 1; fi
	go vet ./...
	go tool staticcheck ./...
	@$(MAKE) house
	go mod tidy -diff

house: ## the rules of the house alone (scripts/house)
	go test -count=1 ./scripts/house

race: ## every test, with the race detector
	CGO_ENABLED=1 go test -race ./...
	go test -count=1 -run Around ./collector/broker # the race is inside the server we storm

# A target that runs out of time on a busy machine may be reported as "context
# deadline exceeded" although no input failed; that one answer is asked again.
fuzz: ## every fuzz target, FUZZTIME (10s) each
	@list="$$(grep -rE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*\(' $(SOURCES) \
		| sed -E 's|^(.*)/[^/]*:func (Fuzz[A-Za-z0-9_]*)\(.*|\1 \2|' | sort -u || true)"; \
	total="$$(grep -c . <<<"$$list" || true)"; n=0; \
	while read -r pkg name; do \
		[ -n "$$pkg" ] || continue; \
		n=$$((n + 1)); \
		echo "fuzz $$n/$$total $$pkg $$name $(FUZZTIME)"; \
		for try in first last; do \
			out="$$(go test -run='^$$' -fuzz="^$$name\$$" -fuzztime='$(FUZZTIME)' "./$$pkg" </dev/null 2>&1)" && break; \
			if [ $$try = last ] || [[ $$out == *'Failing input written'* ]] \
				|| [[ $$out != *'context deadline exceeded'* ]]; then \
				echo "$$out"; exit 1; \
			fi; \
			echo "fuzz $$n/$$total ran out of time without a failing input; once more"; \
		done; \
	done <<<"$$list"; \
	echo "fuzz: $$n of $$total targets passed"

build386: ## compile the product for 32 bits, where int and atomics bite
	GOARCH=386 CGO_ENABLED=0 go build $(patsubst %,./%/...,$(filter-out scripts,$(SOURCES)))

faults: ## kill, stop and cut off programs while votes are cast; count every one (LONG=1: 750 kills and stops, 11 min)
	go run ./scripts/faults $(if $(LONG),-kills 230 -stops 30 -cuts 30 -weathers 10 -longest 30s)

full: ## fill the disks of a terminal and of a centre up, free them, count every vote (root; LONG=1: to the last block)
	go run ./scripts/full $(if $(LONG),-deep -for 100s)

faultfs: ## fail the n-th write, sync, … under outbox and store, for every n (LONG=1: the store's every n)
	FAULTFS=1 go test -count=1 $(if $(LONG),-v,-short) ./scripts/faultfs

crash: ## cut the power: of a kernel with the real outbox, and of a disk with a cache (LONG=1: 200 and 2,000 times)
	go run ./scripts/crash $(if $(LONG),-cycles 200)
	go run ./scripts/replay $(if $(LONG),-points 2000)

damage: ## break outboxes in every way a card breaks them; every whole record arrives (LONG=1: 2,000)
	go run ./scripts/damage $(if $(LONG),-trials 2000)

bench: ## measure this house, each figure beside its aim (LONG=1: five idle minutes, a million votes compared)
	go run ./scripts/bench $(if $(LONG),-idle 5m -many 1000000)

compare: ## the same votes through this house and through what others would use in its place
	go run ./scripts/compare

clean: ## remove bin/ and run/ (what build and run left)
	rm -rf bin run
