# The commands of xk6-continuity. `make help` lists them.

K6_VERSION  := v2.2.0
MODULE      := github.com/xk6-continuity/xk6-continuity
TOOLS       := extension/tools
GO          ?= go
BIN         := bin
SOURCES     := $(shell git ls-files '*.go' go.mod go.sum 2>/dev/null) extension/internal/report/assets
LINT_VERSION := $(shell sed -n '1s/^\# *//p' .golangci.yml)

.DEFAULT_GOAL := help
# Compose v2 where there is one, else docker-compose 1.29.
COMPOSE     ?= $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)
OCB_VERSION := v0.162.0
.PHONY: up down compose-run collector test-compose test-collector test-kubernetes kubernetes-images
.PHONY: help build run test test-browser test-e2e lint lint-extension bench samples picture types clean

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

up: $(BIN)/k6 $(BIN)/toxiproxy docker-cli ## Toxiproxy and the demo services in containers
	@$(COMPOSE) up --build --detach || { echo "hint: a port that is taken can be another one: \
	TOXIPROXY_PORT, PROXY_PORT and GATEWAY_PORT, such as GATEWAY_PORT=18080 make up" >&2; exit 1; }

compose-run: up ## The main scenario through the containers; the report is in results/
	mkdir -p results
	RUN_AS=$$(id -u):$$(id -g) $(COMPOSE) run --rm --use-aliases k6

down: docker-cli ## Stop the containers
	COMPOSE_PROFILES=load,trace-ui $(COMPOSE) down

.PHONY: docker-cli
docker-cli:
	@command -v $(firstword $(COMPOSE)) >/dev/null || { echo "error: $(firstword $(COMPOSE)) is \
	not installed: on Debian, apt-get install docker.io docker-compose iptables" >&2; exit 1; }
	@docker version >/dev/null 2>&1 || { echo "error: no Docker engine answers: start one, such as with \
	service docker start, or set DOCKER_HOST" >&2; exit 1; }

test-compose: $(BIN)/k6 $(BIN)/toxiproxy $(BIN)/busybox ## The containers for real; starts a Docker engine if there is none
	CONTINUITY_COMPOSE=1 $(GO) test -count=1 -timeout 15m -run 'TestCompose' ./extension/internal/e2e

collector: $(BIN)/ocb ## Build bin/collector/otelcol-continuity with the Collector Builder
	cd extension/collector && CGO_ENABLED=0 ../../$(BIN)/ocb --config builder.yaml

$(BIN)/ocb: Makefile
	mkdir -p $(BIN)
	CGO_ENABLED=0 GOBIN=$(CURDIR)/$(BIN) $(GO) install go.opentelemetry.io/collector/cmd/builder@$(OCB_VERSION)
	mv $(BIN)/builder $(BIN)/ocb

test-collector: $(BIN)/k6 $(BIN)/toxiproxy collector ## The connector: its tests, then built Collectors as balancer and shards
	cd extension/collector && $(GO) test -race ./... && CONTINUITY_K6=$(CURDIR)/$(BIN)/k6 \
		CONTINUITY_TOXIPROXY=$(CURDIR)/$(BIN)/toxiproxy \
		CONTINUITY_COLLECTOR=$(CURDIR)/$(BIN)/collector/otelcol-continuity \
		$(GO) test -count=1 -v -timeout 20m -run 'TestReal' .

test-kubernetes: collector ## The manifests against the schemas of Kubernetes and the k6-operator
	cd scripts/kubernetes && CONTINUITY_COLLECTOR=$(CURDIR)/$(BIN)/collector/otelcol-continuity \
		$(GO) test -count=1 .

REGISTRY ?= registry.example.com
TAG      ?= 0.1.0
kubernetes-images: $(BIN)/k6 $(BIN)/toxiproxy $(BIN)/busybox collector docker-cli ## The images for a cluster: REGISTRY=… TAG=… make kubernetes-images
	for image in runner collector toxiproxy; do \
		docker build -f scripts/kubernetes/Dockerfile --target $$image \
			-t $(REGISTRY)/continuity-$$image:$(TAG) . || exit 1; done

# A static shell for the runner's image, from Debian's package busybox-static.
$(BIN)/busybox:
	@mkdir -p $(BIN)
	@if [ -n "$$(ldd /bin/busybox 2>/dev/null | grep '=>')" ] || [ ! -x /bin/busybox ]; then \
		echo "error: /bin/busybox is not there or not static: on Debian, apt-get install busybox-static" >&2; \
		exit 1; fi
	cp /bin/busybox $(BIN)/busybox

lint: $(BIN)/golangci-lint ## The linter, pinned in extension/tools
	@echo "golangci-lint $(LINT_VERSION)"
	$(BIN)/golangci-lint run ./...
	cd extension/collector && ../../$(BIN)/golangci-lint run ./...
	cd scripts/kubernetes && ../../$(BIN)/golangci-lint run ./...

lint-extension: $(BIN)/xk6 ## What `xk6 lint` asks of an extension; without the subcommand, see extension/subcommand.go
	CGO_ENABLED=0 GOFLAGS=-tags=continuity_no_subcommand K6_CONTINUITY_SOURCE=none K6_CONTINUITY_HTML=false \
		$(BIN)/xk6 lint --enable-only=module,replace,readme,license,git,build,smoke,types

bench: ## Benchmarks, as ratios side by side in one run
	$(GO) test -run '^$$' -bench . -benchmem ./...

samples: $(BIN)/k6 ## Make the committed sample reports and their comparison again
	scripts/samples.sh

types: ## Type-check the scripts and the examples of index.d.ts
	cd scripts/types && npm ci --no-audit --no-fund && npm run --silent check

picture: ## Take the README's picture of the HTML report again
	scripts/picture.sh

clean: ## Remove what was built and the generated reports
	rm -rf $(BIN) results/*.json.tmp results/2*.json results/2*.html
