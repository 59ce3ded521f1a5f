# `make` lists what there is to do.

GO        ?= go
VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
FUZZTIME  ?= 60s
LINT       = bin/golangci-lint
LINT_VERSION = v2.15.0
# The version comes from the linker, so that a build needs no more than the source.
BUILDFLAGS = -buildvcs=false -trimpath -ldflags '-s -w -X main.version=$(VERSION)'

.DEFAULT_GOAL := help
.PHONY: help run build test race fuzz bench bench-peers bench-guard pgo interop cover verify fmt vet arch tidy lint clean go-exists test-needs

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## build and serve the built-in demo (ARGS="-c FILE" for a configuration)
	@./bin/sluice start $(ARGS)

build: go-exists ## build bin/sluice
	@$(GO) build $(BUILDFLAGS) -o bin/sluice ./cmd/sluice

# The tests that count allocations do not run under the race detector: its sync.Pool drops on purpose. So everything
# runs once without it and once with it.
test: test-needs ## every test, plain and with -race; installs what they need
	$(GO) test -timeout 20m ./...
	$(GO) test -timeout 20m -race ./...

race: test-needs ## every test with -race
	$(GO) test -timeout 20m -race ./...

fuzz: go-exists ## every fuzz target for FUZZTIME (60s) each
	@set -e; for dir in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -r -n1 dirname | sort -u); do \
		for target in $$($(GO) test -list '^Fuzz' $$dir | grep '^Fuzz'); do \
			echo "== $$dir $$target, $(FUZZTIME)"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$dir; \
		done; \
	done

bench: go-exists ## compare with other proxies (ARGS="..." goes to ./bench)
	$(GO) run ./bench $(ARGS)

bench-peers: go-exists ## install the proxies that bench compares with
	$(GO) run ./bench --install

bench-guard: go-exists ## fail when allocations, system calls or CPU ratios got worse
	$(GO) run ./bench --guard

# cmd/sluice/default.pgo is where the compiler finds it.
PGO_WORKLOADS = tiny post4k h2-h1 h2-h2 grpc bolt bolt-16 https https-h2
pgo: go-exists ## take the profile that the compiler optimises with anew (3 minutes)
	@mkdir -p bin/pgo && rm -f bin/pgo/*
	@set -e; for w in $(PGO_WORKLOADS); do \
		$(GO) run ./bench --peer sluice --workload $$w --rounds 1 --seconds 8 --no-install --profile bin/pgo/$$w.pprof; done
	$(GO) tool pprof -proto -output cmd/sluice/default.pgo bin/pgo/*.pprof

interop: test-needs ## programs of others through the gateway; SOFABolt's Java library needs java, mvn and Maven's registry
	$(GO) test -count=1 -v -timeout 30m -run '^Test(SOFABolt|GRPCInterop)' ./gateway/e2e -calls 100000

cover: go-exists ## test coverage, in coverage.html
	$(GO) test -coverpkg=./... -coverprofile=coverage.out ./...
	$(GO) tool cover -html=coverage.out -o coverage.html
	@$(GO) tool cover -func=coverage.out | tail -n 1

verify: fmt vet arch tidy lint ## everything that is checked beside the tests

fmt: go-exists
	@files=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); \
	if [ -n "$$files" ]; then echo "not gofmt-ed (gofmt -w mends it):" >&2; echo "$$files" >&2; exit 1; fi

vet: go-exists
	$(GO) vet ./...

arch: go-exists
	$(GO) test -run '^Test(ImportDirections|OutsideImports|PurePackages|OneFileNamesCodecs|NoInit|FileLength|PackageComments|Match)$$' ./gateway

tidy: go-exists
	$(GO) mod tidy -diff

lint: $(LINT)-$(LINT_VERSION) ## golangci-lint, installed into bin/
	$(LINT)-$(LINT_VERSION) run

$(LINT)-$(LINT_VERSION): | go-exists
	GOBIN=$(CURDIR)/bin $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)
	mv $(LINT) $@

clean: ## remove what was built
	rm -rf bin coverage.out coverage.html

go-exists:
	@command -v $(GO) >/dev/null || { echo 'Go is missing: install 1.26 or newer, see go.dev/doc/install' >&2; exit 1; }

test-needs: go-exists
	@.ci/need gcc curl openssl nghttp h2load node npm
