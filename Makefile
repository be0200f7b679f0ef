# The commands of xk6-continuity. `make help` lists them.

K6_VERSION  := v2.2.0
MODULE      := github.com/xk6-continuity/xk6-continuity
TOOLS       := extension/tools
GO          ?= go
BIN         := bin
SOURCES     := $(shell git ls-files '*.go' go.mod go.sum 2>/dev/null) extension/internal/report/assets
LINT_VERSION := $(shell sed -n '1s/^\# *//p' .golangci.yml)
SEED        ?= 1
FUZZTIME    ?= 30s

.DEFAULT_GOAL := help
.PHONY: help build run test test-browser test-e2e lint bench fuzz samples types clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: $(BIN)/k6 $(BIN)/toxiproxy ## Build bin/k6 (with the extension) and bin/toxiproxy (with the HTTP toxics)

$(BIN)/xk6: $(TOOLS)/go.mod $(TOOLS)/go.sum
	cd $(TOOLS) && CGO_ENABLED=0 $(GO) build -o ../../$(BIN)/ go.k6.io/xk6

$(BIN)/golangci-lint: $(TOOLS)/go.mod $(TOOLS)/go.sum .golangci.yml
	cd $(TOOLS) && CGO_ENABLED=0 $(GO) build -o ../../$(BIN)/ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

$(BIN)/k6: $(BIN)/xk6 $(SOURCES)
	CGO_ENABLED=0 $(BIN)/xk6 build $(K6_VERSION) --with $(MODULE)=. --output $(BIN)/k6

$(BIN)/toxiproxy: $(SOURCES)
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o $(BIN)/toxiproxy ./toxics/cmd/toxiproxy

run: $(BIN)/k6 ## The main scenario through faults: demo services, load, verdicts, report
	scripts/run.sh scripts/checkout.js

test: ## All unit, property and integration tests, with the race detector
	$(GO) test -race ./...

test-browser: ## The HTML report in a real Chromium
	CONTINUITY_REQUIRE_BROWSER=1 $(GO) test -count=1 -run 'Browser' ./extension/internal/report/...

test-e2e: $(BIN)/k6 ## The built k6 against the demo services, end to end
	CONTINUITY_K6=$(CURDIR)/$(BIN)/k6 $(GO) test -count=1 -run 'EndToEnd' ./extension/internal/e2e/...

lint: $(BIN)/golangci-lint ## The linter, pinned in extension/tools
	@echo "golangci-lint $(LINT_VERSION)"
	$(BIN)/golangci-lint run ./...

bench: ## Benchmarks, as ratios side by side in one run
	$(GO) test -run '^$$' -bench . -benchmem ./...

samples: $(BIN)/k6 ## Make the committed sample reports and their comparison again
	scripts/samples.sh

clean: ## Remove what was built and the generated reports
	rm -rf $(BIN) results/*.json.tmp results/2*.json results/2*.html
