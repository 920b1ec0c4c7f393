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

# Every tool is built from a Go module at a fixed version; Go's checksum database vouches for its content. Most are tools of
# go.mod, which has their versions.
version_of = $(shell awk '$$1 == "$(1)" && $$2 ~ /^v/ {print $$2; exit}' go.mod)
HELM_VERSION := $(call version_of,helm.sh/helm/v3)
KIND_VERSION := $(call version_of,sigs.k8s.io/kind)
GOTESTSUM_VERSION := $(call version_of,gotest.tools/gotestsum)
GOLANGCI_LINT_VERSION := v2.15.0
ACTIONLINT_VERSION := v1.7.12
# Go's vulnerability database of a day, which is a module too: a scan asks no server.
VULNDB_VERSION := v0.0.0-20261105234957-e22db6528018
VULNDB := $(BIN)/vulndb-$(VULNDB_VERSION)
# What `helm template` and `helm lint` take for the cluster's version where there is none.
KUBERNETES_VERSION := 1.37

# The race detector makes the tests several times slower: it is on with RACE=1 and in CI. It needs a C compiler, which a machine with Go
# may lack.
CI ?=
RACE ?= $(filter true,$(CI))
race = $(if $(filter-out 0 false,$(RACE)),$(if $(shell command -v $$(go env CC)),-race,$(error the race detector (RACE=1 or CI=true) needs a C compiler: apt-get install gcc libc6-dev, or run the tests without it, RACE=0)))

RUN ?= .
SUITE ?=
# Other packages than those of the target, to try its recipe. What only the target's own need is then not built.
PACKAGES ?=
FULL ?=
KEEP ?=
OCI_REGISTRY ?=
ARGS ?=
# What values-kind.yaml and the tests name; no registry has it.
SHEPHERD_IMAGE := docker.io/library/qdrant-shepherd:dev
export FULL KEEP

# A run of the tests leaves its events (NAME.json) and the exit code of its runner (NAME.exit), and tools/summary judges both together.
RESULTS ?= artifacts/results
override RESULTS := $(abspath $(RESULTS))
GOTESTSUM_FORMAT ?=
SUMMARY ?= go run ./tools/summary
# With a pattern, one of the packages of a target may have no test that matches.
TOGETHER = $(if $(filter .,$(RUN)),,-together)
comma := ,

# $(call gotest,NAME,FLAGS AND PACKAGES,ENVIRONMENT) is one such run. It succeeds whatever becomes of the tests: the summary judges.
define gotest
mkdir -p $(RESULTS); rm -f $(RESULTS)/$(1).json $(RESULTS)/$(1).exit; code=0; \
$(3) gotestsum --format $(or $(GOTESTSUM_FORMAT),pkgname-and-test-fails) --jsonfile $(RESULTS)/$(1).json -- -count=1 $(2) || code=$$?; \
echo $$code >$(RESULTS)/$(1).exit
endef

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
	@echo "building tools/localkube; the first time its dependencies are compiled, which takes minutes"
	go run ./tools/localkube

tools: $(BIN)/.helm-$(HELM_VERSION) $(BIN)/.kind-$(KIND_VERSION) $(BIN)/.gotestsum-$(GOTESTSUM_VERSION) $(BIN)/kubectl $(BIN)/helm4 ## Build the pinned tools into bin/.

generate: ## Make the chart's schema and values table from values.yaml, and put the examples into client/vector's README.
	go run ./tools/gen

golden: ## Render values/*.yaml anew into tests/render/testdata; review the difference.
	go vet ./tests/render
	go test ./tests/render -run Golden -update || git diff --stat -- tests/render/testdata

lint: $(BIN)/.helm-$(HELM_VERSION) $(BIN)/.golangci-lint-$(GOLANGCI_LINT_VERSION) $(BIN)/.actionlint-$(ACTIONLINT_VERSION) $(VULNDB)/index/db.json ## Check Go, its modules, the chart, the scripts and the workflows.
	golangci-lint run ./...
	cd client && GOWORK=off golangci-lint run --config ../.golangci.yml ./...
	# A linter would type-check all of Kubernetes; the compiler has.
	test -z "$$(gofmt -l tools/kubernetes)"
	go run ./tools/vulncheck -db $(VULNDB) -tags e2e,compose,controlplane ./... ./client/...
	helm lint --strict --quiet --kube-version $(KUBERNETES_VERSION) charts/qdrant
	helm lint --strict --quiet --kube-version $(KUBERNETES_VERSION) charts/qdrant -f values/values-dev.yaml
	helm lint --strict --quiet --kube-version $(KUBERNETES_VERSION) charts/qdrant -f values/values-prod.yaml --set shepherd.image.repository=qdrant-shepherd
	helm lint --strict --quiet --kube-version $(KUBERNETES_VERSION) charts/qdrant -f values/values-prod.yaml -f values/values-kind.yaml
	go run ./tools/suites check
	# The golden files have the chart's scripts; the start script without shepherd is another.
	helm template q charts/qdrant --kube-version $(KUBERNETES_VERSION) --set shepherd.enabled=false,guard.enabled=false | go run ./tools/shell - scripts/*.sh .ci/run compose/*.yaml tests/render/testdata/*.yaml
	actionlint .github/workflows/*.yaml

vulncheck: $(VULNDB)/index/db.json ## Fail on a known vulnerability that the binaries or the client call; `make lint` looks at the versions of modules only.
	go run ./tools/vulncheck -db $(VULNDB) -level symbol ./cmd/... ./client/...

verify: ## Fail if something generated is out of date.
	go run ./tools/gen -check
	scripts/tidy.sh -diff
	go mod verify >/dev/null

image: ## Build shepherd's image into dist/shepherd.tar, and load it as $(SHEPHERD_IMAGE) where a Docker engine answers.
	mkdir -p dist
	go run ./tools/image -tag $(SHEPHERD_IMAGE) -tarball dist/shepherd.tar
	@if docker info >/dev/null 2>&1; then docker load --quiet --input dist/shepherd.tar; else echo "no Docker engine answers: dist/shepherd.tar is not loaded"; fi

package: $(BIN)/.helm-$(HELM_VERSION) ## Pack the chart, with the profiles, into dist/.
	scripts/package.sh dist

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
TESTS_OF_GO := test render controlplane $(if $(PACKAGES),,envtest)
gotestsum := $(BIN)/.gotestsum-$(GOTESTSUM_VERSION)
helm := $(BIN)/.helm-$(HELM_VERSION)

test: $(gotestsum) $(if $(PACKAGES),,$(helm) $(BIN)/helm4) ## Run all tests that need only Go; the first time it compiles Kubernetes.
	@failed=0; rm -f $(foreach name,$(TESTS_OF_GO),$(RESULTS)/$(name).json $(RESULTS)/$(name).exit); \
	for suite in unit render controlplane; do $(MAKE) --no-print-directory test-$$suite SUMMARY=: || failed=1; done; \
	go run ./tools/summary $(TOGETHER) $(TESTS_OF_GO:%=$(RESULTS)/%.json) || failed=1; \
	echo "not run: test-compose and test-e2e, which need a Docker engine: make test-compose test-e2e"; \
	exit $$failed

test-unit: $(gotestsum) $(if $(PACKAGES),,$(helm)) ## Run the tests of the code (RUN=pattern, RACE=1, QDRANT_BIN=/path/to/qdrant for those on real servers).
	@packages="$(or $(PACKAGES),$$(go list ./... ./client/... | grep -v /tests/render))"; \
	$(call gotest,test,$(race) -timeout 60m -run '$(RUN)' $$packages,$(if $(race),CGO_ENABLED=1)); \
	$(SUMMARY) $(RESULTS)/test.json

# Rendering has no concurrency of its own, and a race detector makes it ten times slower.
test-render: $(gotestsum) ## Run the chart's render tests (RUN=pattern).
	@$(call gotest,render,-timeout 60m -run '$(RUN)' $(or $(PACKAGES),./tests/render/...),); \
	$(SUMMARY) $(RESULTS)/render.json

# The nested module is compiled as internal/local/controlplane does it, or all of Kubernetes would be compiled once more.
test-controlplane: $(gotestsum) $(if $(PACKAGES),,$(helm) $(BIN)/helm4) ## Install the chart into real API servers and controllers without Docker (RUN=pattern).
	@$(if $(PACKAGES),,assets=$$(go run ./tools/localkube); \
	(cd tools/kubernetes && export KUBEBUILDER_ASSETS=$$assets GOWORK=off && $(call gotest,envtest,-timeout 60m -run '$(RUN)' .,)) & envtest=$$!;) \
	$(call gotest,controlplane,-tags controlplane -ldflags=-w -p 4 -parallel 24 -timeout 60m -run '$(RUN)' $(or $(PACKAGES),./internal/local/... ./tests/controlplane/... ./tests/up/...),); \
	$(if $(PACKAGES),,wait $$envtest;) \
	$(SUMMARY) $(TOGETHER) $(RESULTS)/controlplane.json $(if $(PACKAGES),,$(RESULTS)/envtest.json)

test-compose: $(gotestsum) ## Start the compose stack and check it (RUN=pattern). Needs Docker.
	@$(call gotest,compose,-tags compose -timeout 20m -run '$(RUN)' $(or $(PACKAGES),./tests/compose/...),); \
	$(SUMMARY) $(RESULTS)/compose.json

# One run of the tests for each suite, in which E2E_SUITE has its name. A pattern or packages of one's own are one suite: SUITE, or "all".
named := $(if $(PACKAGES)$(filter-out .,$(RUN)),yes)
asked := $(subst $(comma), ,$(SUITE))
# The results of its second run would hide those of the first.
$(if $(filter-out $(words $(sort $(asked))),$(words $(asked))),$(error a suite is named twice in SUITE=$(SUITE)))
test-e2e: $(if $(PACKAGES),$(gotestsum),tools image) ## Prove the chart on kind clusters, suite by suite (SUITE=core,scaling or all; RUN=pattern, in the cluster of SUITE; FULL=1 searches 100,000 vectors, KEEP=1 keeps the cluster). Needs Docker.
	@suites="$(or $(asked),$(if $(named),all,$$(go run ./tools/suites names)))"; \
	$(if $(named),,for suite in $$suites; do go run ./tools/suites pattern $$suite >/dev/null || exit 2; done;) \
	files=; for suite in $$suites; do \
		echo "== suite $$suite ($$(date -u +%T))"; export E2E_SUITE=$$suite; \
		pattern=$(if $(named),'$(RUN)',"$$(go run ./tools/suites pattern $$suite)"); \
		$(call gotest,e2e-$$suite,-tags e2e -parallel 3 -timeout $(if $(FULL),60m,25m) -run "$$pattern" $(or $(PACKAGES),./tests/e2e/...),); \
		files="$$files $(RESULTS)/e2e-$$suite.json"; \
	done; \
	$(SUMMARY) -table $$files

.PHONY: bench
bench: ## Measure a real server for half an hour into docs/benchmark.md; with ARGS="--tier quick" only into artifacts/bench (QDRANT_BIN, or Docker).
	scripts/bench.sh --profile default,development,production --against all --out artifacts/bench $(or $(ARGS),--docs docs)

FUZZTIME ?= 60s
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

# All of Go is compiled with the same settings, so that once is enough: for the tools, the tests and what `go run` runs. That excludes
# -trimpath and cgo, which the race detector alone needs. Flags of the linker don't matter.
export CGO_ENABLED := 0

# $(call build,FILE,PACKAGE,FLAGS OF THE LINKER) says what takes so long.
define build
@echo "building $(notdir $(1)); the first time its dependencies are compiled, which takes minutes"; began=$$SECONDS; mkdir -p $(BIN); \
go build -ldflags "-s -w $(3)" -o $(1) $(2); echo "built $(notdir $(1)) in $$((SECONDS - began)) s"
endef

minor := $(lastword $(subst ., ,$(KUBERNETES_VERSION)))

$(BIN)/.helm-$(HELM_VERSION):
	# The versions that a release of Helm is stamped with: without them it takes every cluster for Kubernetes 1.20.
	$(call build,$(BIN)/helm,helm.sh/helm/v3/cmd/helm,-X helm.sh/helm/v3/internal/version.version=$(HELM_VERSION) -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor=$(minor) -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=$(minor))
	@touch $@

$(BIN)/.kind-$(KIND_VERSION):
	$(call build,$(BIN)/kind,sigs.k8s.io/kind,)
	@touch $@

$(BIN)/.gotestsum-$(GOTESTSUM_VERSION):
	$(call build,$(BIN)/gotestsum,gotest.tools/gotestsum,)
	@touch $@

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
	$(call build,$@,./tools/kubectl,)

# Its version is that of go.mod, too. Unlike Helm 3 it knows the Kubernetes version of the client-go that it is built with.
$(BIN)/helm4: go.mod
	$(call build,$@,helm.sh/helm/v4/cmd/helm,-X helm.sh/helm/v4/internal/version.version=$(call version_of,helm.sh/helm/v4))

# Its dependencies are many and only `make lint` needs it, so it is built from a module graph of its own.
$(BIN)/.golangci-lint-$(GOLANGCI_LINT_VERSION):
	@echo "building golangci-lint; the first time that takes minutes"
	GOBIN=$(BIN) go install -ldflags "-s -w" github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	@touch $@
