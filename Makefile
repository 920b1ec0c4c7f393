MAKEFLAGS += --warn-undefined-variables --no-builtin-rules
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := help

BIN := $(CURDIR)/bin
export PATH := $(BIN):$(PATH)

# Go is a module too. The toolchain line of go.mod names the patch release with the latest fixes of the standard library, which an older Go
# fetches; GOTOOLCHAIN=local takes the Go that is installed.
ifeq ($(origin GOTOOLCHAIN),undefined)
export GOTOOLCHAIN := $(shell sed -n 's/^toolchain //p' go.mod)
endif

# Every tool is built from a Go module at a fixed version; Go's checksum database vouches for its content.
HELM_VERSION := v3.22.0
KIND_VERSION := v0.33.0
GOLANGCI_LINT_VERSION := v2.15.0
GOTESTSUM_VERSION := v1.13.0
ACTIONLINT_VERSION := v1.7.12
# Go's vulnerability database of a day, which is a module too: a scan asks no server.
VULNDB_VERSION := v0.0.0-20261105234957-e22db6528018
VULNDB := $(BIN)/vulndb-$(VULNDB_VERSION)
# What `helm template` and `helm lint` take for the cluster's version where there is none.
KUBERNETES_VERSION := 1.36

# The race detector needs a C compiler, which a machine with Go may lack.
RACE := $(if $(shell command -v $$(go env CC)),-race,)

RUN ?= .
FULL ?=
KEEP ?=
OCI_REGISTRY ?=
ARGS ?=
# What values-kind.yaml and the tests name; no registry has it.
SHEPHERD_IMAGE := docker.io/library/qdrant-shepherd:dev
export FULL KEEP

# Test results of one layer, as JSON, for the summary.
RESULTS := $(CURDIR)/artifacts/results
GOTESTSUM = mkdir -p $(RESULTS) && gotestsum --format $(or $(GOTESTSUM_FORMAT),pkgname-and-test-fails) --jsonfile $(RESULTS)/$(1).json --
GOTESTSUM_FORMAT ?=
SUMMARY ?= go run ./tools/summary
TESTS_OF_GO := $(patsubst %,$(RESULTS)/%.json,test render controlplane envtest)

##@ Help

.PHONY: help
help: ## Show this list.
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  \033[36m%-14s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Use it

.PHONY: up down compose-up compose-down
up: $(BIN)/kubectl ## Start a cluster, install the chart, write and search real vectors: kind, or without Docker a control plane of processes (QDRANT_BIN=server).
	@go run ./tools/up

down: ## Delete what `make up` started.
	@go run ./tools/up down

compose-up: ## Start Qdrant on this machine with docker compose (MONITORING=1 adds Prometheus and Grafana).
	scripts/compose.sh up --detach --wait

compose-down: ## Stop it; the volumes stay.
	scripts/compose.sh down

##@ Develop

.PHONY: kubernetes tools generate golden lint vulncheck verify image package publish
kubernetes: ## Compile the control plane of `make test` and of `make up` without Docker: once, some six minutes.
	go run ./tools/localkube

tools: $(BIN)/.helm-$(HELM_VERSION) $(BIN)/.kind-$(KIND_VERSION) $(BIN)/.gotestsum-$(GOTESTSUM_VERSION) $(BIN)/kubectl ## Build the pinned tools into bin/.

generate: ## Make the chart's schema and values table from values.yaml, and put the examples into pkg/vector's README.
	go run ./tools/gen

golden: ## Render values/*.yaml anew into tests/render/testdata; review the difference.
	go vet ./tests/render
	go test ./tests/render -run Golden -update || git diff --stat -- tests/render/testdata

lint: $(BIN)/.helm-$(HELM_VERSION) $(BIN)/.golangci-lint-$(GOLANGCI_LINT_VERSION) $(BIN)/.actionlint-$(ACTIONLINT_VERSION) $(VULNDB)/index/db.json ## Check Go, its modules, the chart, the scripts and the workflows.
	golangci-lint run ./...
	# A linter would type-check all of Kubernetes; the compiler has.
	test -z "$$(gofmt -l tools/kubernetes)"
	go run ./tools/vulncheck -db $(VULNDB) -tags e2e,compose,controlplane ./...
	helm lint --strict --quiet --kube-version $(KUBERNETES_VERSION) charts/qdrant
	helm lint --strict --quiet --kube-version $(KUBERNETES_VERSION) charts/qdrant -f values/values-dev.yaml
	helm lint --strict --quiet --kube-version $(KUBERNETES_VERSION) charts/qdrant -f values/values-prod.yaml --set shepherd.image.repository=qdrant-shepherd
	helm lint --strict --quiet --kube-version $(KUBERNETES_VERSION) charts/qdrant -f values/values-prod.yaml -f values/values-kind.yaml
	# The golden files have the chart's scripts; the start script without shepherd is another.
	helm template q charts/qdrant --kube-version $(KUBERNETES_VERSION) --set shepherd.enabled=false,guard.enabled=false | go run ./tools/shell - scripts/*.sh .ci/run compose/*.yaml tests/render/testdata/*.yaml
	actionlint .github/workflows/*.yaml

vulncheck: $(VULNDB)/index/db.json ## Fail on a known vulnerability that the binaries or the client call; `make lint` looks at the versions of modules only.
	go run ./tools/vulncheck -db $(VULNDB) -level symbol ./cmd/... ./pkg/...

verify: ## Fail if something generated is out of date.
	go run ./tools/gen -check
	go mod tidy -diff
	go -C tools/kubernetes mod tidy -diff
	go mod verify >/dev/null

image: ## Build shepherd's image into dist/shepherd.tar, and load it as $(SHEPHERD_IMAGE) where a Docker engine answers.
	mkdir -p dist
	go run ./tools/image -tag $(SHEPHERD_IMAGE) -tarball dist/shepherd.tar
	@if docker info >/dev/null 2>&1; then docker load --quiet --input dist/shepherd.tar; else echo "no Docker engine answers: dist/shepherd.tar is not loaded"; fi

package: $(BIN)/.helm-$(HELM_VERSION) ## Pack the chart into dist/.
	mkdir -p dist
	helm package --destination dist charts/qdrant

publish: package ## Push the chart to an OCI registry: OCI_REGISTRY=registry.example.org/charts.
	scripts/publish.sh "$(OCI_REGISTRY)"

##@ Release

VERSION ?=
.PHONY: release-artifacts changelog-section registry-login
release-artifacts: $(BIN)/.helm-$(HELM_VERSION) ## Put the archives of a release into dist/release: VERSION=v1.2.3, which must be the chart's version.
	scripts/release.sh "$(VERSION)"

changelog-section: ## Print what CHANGELOG.md says of a release: VERSION=v1.2.3.
	@scripts/changelog.sh "$(VERSION)"

registry-login: ## Log in to OCI_REGISTRY with REGISTRY_USER and REGISTRY_PASSWORD of the environment.
	@printf '%s' "$${REGISTRY_PASSWORD:?}" | docker login --username "$${REGISTRY_USER:?}" --password-stdin "$${OCI_REGISTRY:?}"

##@ Test

.PHONY: test test-unit test-render test-controlplane test-compose test-e2e
test: $(BIN)/.helm-$(HELM_VERSION) $(BIN)/.gotestsum-$(GOTESTSUM_VERSION) ## Run all tests that need only Go; the first time it compiles Kubernetes.
	@failed=0; for suite in unit render controlplane; do $(MAKE) --no-print-directory test-$$suite SUMMARY=: || failed=1; done; \
	go run ./tools/summary $(TESTS_OF_GO) || failed=1; \
	echo "not run: test-compose and test-e2e, which need a Docker engine: make test-compose test-e2e"; \
	exit $$failed

test-unit: $(BIN)/.helm-$(HELM_VERSION) $(BIN)/.gotestsum-$(GOTESTSUM_VERSION) ## Run the tests of the code (RUN=pattern, QDRANT_BIN=/path/to/qdrant for those on real servers).
	$(if $(RACE),,@echo "no C compiler: the tests run without the race detector")
	@failed=0; $(call GOTESTSUM,test) $(RACE) -count=1 -run '$(RUN)' $$(go list ./... | grep -v /tests/render) || failed=1; \
	$(SUMMARY) $(RESULTS)/test.json && exit $$failed

# Rendering has no concurrency of its own, and a race detector makes it ten times slower.
test-render: $(BIN)/.gotestsum-$(GOTESTSUM_VERSION) ## Run the chart's render tests (RUN=pattern).
	@failed=0; $(call GOTESTSUM,render) -count=1 -run '$(RUN)' ./tests/render/... || failed=1; \
	$(SUMMARY) $(RESULTS)/render.json && exit $$failed

# The nested module is compiled as internal/localkube does it, or all of Kubernetes would be compiled once more.
test-controlplane: $(BIN)/.gotestsum-$(GOTESTSUM_VERSION) ## Install the chart into real API servers and controllers without Docker (RUN=pattern).
	@assets=$$(go run ./tools/localkube); failed=0; \
	(cd tools/kubernetes && export CGO_ENABLED=0 KUBEBUILDER_ASSETS=$$assets && $(call GOTESTSUM,envtest) -trimpath -count=1 -run '$(RUN)' .) & envtest=$$!; \
	$(call GOTESTSUM,controlplane) -tags controlplane -ldflags=-w -count=1 -p 4 -parallel 24 -timeout 20m -run '$(RUN)' ./internal/localkube/... ./tests/controlplane/... ./tests/up/... || failed=1; \
	wait $$envtest || failed=1; \
	$(SUMMARY) $(RESULTS)/controlplane.json $(RESULTS)/envtest.json && exit $$failed

test-compose: $(BIN)/.gotestsum-$(GOTESTSUM_VERSION) ## Start the compose stack and check it (RUN=pattern). Needs Docker.
	@$(call GOTESTSUM,compose) -tags compose -count=1 -timeout 20m -run '$(RUN)' ./tests/compose/... || true
	@go run ./tools/summary $(RESULTS)/compose.json

test-e2e: tools image ## Prove the chart on a kind cluster (RUN=pattern, FULL=1 searches 100,000 vectors, KEEP=1 keeps the cluster). Needs Docker.
	@$(call GOTESTSUM,e2e) -tags e2e -count=1 -parallel 3 -timeout $(if $(FULL),120m,80m) -run '$(RUN)' ./tests/e2e/... || true
	@go run ./tools/summary $(RESULTS)/e2e.json

.PHONY: bench
bench: ## Measure a real server for half an hour into docs/benchmark.md; with ARGS="--tier quick" only into artifacts/bench (QDRANT_BIN, or Docker).
	scripts/bench.sh --profile default,development,production --against all --out artifacts/bench $(or $(ARGS),--docs docs)

FUZZTIME ?= 60s
SUITE ?=
.PHONY: fuzz images qdrant-binary e2e-matrix
fuzz: ## Fuzz each target for FUZZTIME.
	scripts/fuzz.sh "$(FUZZTIME)"

images: ## Pull the images that the compose and e2e suites need (E2E_QDRANT_IMAGE). Needs Docker.
	scripts/images.sh

qdrant-binary: ## Take the server out of its image into bin/qdrant, for QDRANT_BIN. Needs Docker.
	scripts/qdrant-binary.sh $(BIN)/qdrant

e2e-matrix: ## Write the e2e suites as a workflow's output.
	@names=$$(go run ./tools/suites names | awk '{ printf "%s\"%s\"", separator, $$1; separator = "," }'); \
	printf 'names=[%s]\n' "$$names" >>"$${GITHUB_OUTPUT:-/dev/stdout}"

##@ Tools

$(BIN)/.helm-$(HELM_VERSION):
	# The versions that a release of Helm is stamped with: without them it takes every cluster for Kubernetes 1.20.
	GOBIN=$(BIN) go install -ldflags "-s -w -X helm.sh/helm/v3/internal/version.version=$(HELM_VERSION) -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor=$(lastword $(subst ., ,$(KUBERNETES_VERSION))) -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=$(lastword $(subst ., ,$(KUBERNETES_VERSION)))" helm.sh/helm/v3/cmd/helm@$(HELM_VERSION)
	touch $@

$(BIN)/.kind-$(KIND_VERSION):
	GOBIN=$(BIN) go install -ldflags "-s -w" sigs.k8s.io/kind@$(KIND_VERSION)
	touch $@

$(BIN)/.golangci-lint-$(GOLANGCI_LINT_VERSION):
	GOBIN=$(BIN) go install -ldflags "-s -w" github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	touch $@

$(BIN)/.gotestsum-$(GOTESTSUM_VERSION):
	GOBIN=$(BIN) go install -ldflags "-s -w" gotest.tools/gotestsum@$(GOTESTSUM_VERSION)
	touch $@

$(BIN)/.actionlint-$(ACTIONLINT_VERSION):
	GOBIN=$(BIN) go install -ldflags "-s -w" github.com/rhysd/actionlint/cmd/actionlint@$(ACTIONLINT_VERSION)
	touch $@

# The module holds a file for each vulnerability; govulncheck reads them by an index of modules.
$(VULNDB)/index/db.json:
	rm -rf $(BIN)/vulndb-*
	GOBIN=$(BIN) go install -ldflags "-s -w" golang.org/x/vulndb/cmd/indexdb@$(VULNDB_VERSION)
	indexdb -vulns "$$(go mod download -json golang.org/x/vulndb@$(VULNDB_VERSION) | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')/data/osv" -out $(VULNDB)

# Its version follows go.mod, so it is built again when that changes.
$(BIN)/kubectl: tools/kubectl/main.go go.mod
	go build -ldflags "-s -w" -o $@ ./tools/kubectl
