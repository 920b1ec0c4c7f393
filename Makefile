MAKEFLAGS += --warn-undefined-variables --no-builtin-rules
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := help

BIN := $(CURDIR)/bin
export PATH := $(BIN):$(PATH)

# The toolchain line of go.mod names the Go patch release with the latest fixes of the standard library. An older Go
# downloads it. GOTOOLCHAIN=local uses the installed Go instead.
ifeq ($(origin GOTOOLCHAIN),undefined)
export GOTOOLCHAIN := $(shell sed -n 's/^toolchain //p' go.mod)
endif

# Every tool is built from a Go module at a fixed version, which Go's checksum database verifies. go.mod lists most
# tools and their versions.
version_of = $(shell awk '$$1 == "$(1)" && $$2 ~ /^v/ {print $$2; exit}' go.mod)
HELM_VERSION := $(call version_of,helm.sh/helm/v3)
KIND_VERSION := $(call version_of,sigs.k8s.io/kind)
GOTESTSUM_VERSION := $(call version_of,gotest.tools/gotestsum)
GOLANGCI_LINT_VERSION := v2.15.0
ACTIONLINT_VERSION := v1.7.12
# A snapshot of Go's vulnerability database. It is a Go module, so that a scan needs no server.
VULNDB_VERSION := v0.0.0-20261105234957-e22db6528018
VULNDB := $(BIN)/vulndb-$(VULNDB_VERSION)
# The Kubernetes version that `helm template` and `helm lint` assume.
KUBERNETES_VERSION := 1.37

# The race detector makes the tests several times slower, so it runs only with RACE=1 and in CI. It needs a C compiler.
CI ?=
RACE ?= $(filter true,$(CI))
race = $(if $(filter-out 0 false,$(RACE)),$(if $(shell command -v $$(go env CC)),-race,$(error the race detector (RACE=1 or CI=true) needs a C compiler: apt-get install gcc libc6-dev, or run the tests without it, RACE=0)))

RUN ?= .
SUITE ?=
# Packages to test instead of those of the target. Tools that only the packages of the target need are not built then.
PACKAGES ?=
FULL ?=
KEEP ?=
OCI_REGISTRY ?=
ARGS ?=
# The image in values-kind.yaml and in the tests. It is in no registry.
SHEPHERD_IMAGE := docker.io/library/qdrant-shepherd:dev
export FULL KEEP

# A test run writes its events (NAME.json) and the exit code of its runner (NAME.exit). tools/summary evaluates both.
RESULTS ?= artifacts/results
override RESULTS := $(abspath $(RESULTS))
GOTESTSUM_FORMAT ?=
SUMMARY ?= go run ./tools/summary
# With a pattern, some packages of a target may have no matching test.
TOGETHER = $(if $(filter .,$(RUN)),,-together)
comma := ,

# $(call gotest,NAME,FLAGS AND PACKAGES,ENVIRONMENT) is one test run. It always succeeds; the summary reports failures.
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
up: $(BIN)/kubectl ## Start a cluster, install the chart, and write and search real vectors. Uses kind, or local processes without Docker (QDRANT_BIN=/path/to/qdrant).
	@go run ./tools/up

down: ## Delete everything that `make up` created.
	@go run ./tools/up down

compose-up: ## Start Qdrant on this machine with docker compose (MONITORING=1 adds Prometheus and Grafana).
	scripts/compose.sh up --detach --wait

compose-down: ## Stop the compose stack and keep its volumes.
	scripts/compose.sh down

##@ Develop

.PHONY: kubernetes tools generate golden lint vulncheck verify image package publish
kubernetes: ## Compile the control plane for `make test` and for `make up` without Docker. The first time takes about six minutes.
	@echo "building tools/localkube; the first time takes several minutes"
	go run ./tools/localkube

tools: $(BIN)/.helm-$(HELM_VERSION) $(BIN)/.kind-$(KIND_VERSION) $(BIN)/.gotestsum-$(GOTESTSUM_VERSION) $(BIN)/kubectl $(BIN)/helm4 ## Build the pinned tools into bin/.

generate: ## Generate the chart's schema and values table from values.yaml, copy the examples into the README of client/vector, and write the reference of both commands and the version of Qdrant.
	go run ./tools/gen

golden: ## Update the rendered manifests in tests/render/testdata. Review the difference.
	go vet ./tests/render
	go test ./tests/render -run Golden -update || git diff --stat -- tests/render/testdata

lint: $(BIN)/.helm-$(HELM_VERSION) $(BIN)/.golangci-lint-$(GOLANGCI_LINT_VERSION) $(BIN)/.actionlint-$(ACTIONLINT_VERSION) $(VULNDB)/index/db.json ## Check Go, its modules, the chart, the scripts and the workflows.
	golangci-lint run ./...
	cd client && GOWORK=off golangci-lint run --config ../.golangci.yml ./...
	# Only gofmt here: a linter would type-check all of Kubernetes.
	test -z "$$(gofmt -l tools/kubernetes)"
	go run ./tools/vulncheck -db $(VULNDB) -tags e2e,compose,controlplane ./... ./client/...
	helm lint --strict --quiet --kube-version $(KUBERNETES_VERSION) charts/qdrant
	helm lint --strict --quiet --kube-version $(KUBERNETES_VERSION) charts/qdrant -f values/values-dev.yaml
	helm lint --strict --quiet --kube-version $(KUBERNETES_VERSION) charts/qdrant -f values/values-prod.yaml --set shepherd.image.repository=qdrant-shepherd
	helm lint --strict --quiet --kube-version $(KUBERNETES_VERSION) charts/qdrant -f values/values-prod.yaml -f values/values-kind.yaml
	go run ./tools/suites check
	# The golden files contain the chart's scripts, except the start script without shepherd.
	helm template q charts/qdrant --kube-version $(KUBERNETES_VERSION) --set shepherd.enabled=false,guard.enabled=false | go run ./tools/shell - scripts/*.sh .ci/run compose/*.yaml tests/render/testdata/*.yaml
	actionlint .github/workflows/*.yaml

vulncheck: $(VULNDB)/index/db.json ## Fail if the binaries or the client call code with a known vulnerability. (`make lint` checks module versions only.)
	go run ./tools/vulncheck -db $(VULNDB) -level symbol ./cmd/... ./client/...

verify: ## Fail if a generated file is out of date.
	go run ./tools/gen -check
	scripts/tidy.sh -diff
	go mod verify >/dev/null

image: ## Build the shepherd image into dist/shepherd.tar, and load it as $(SHEPHERD_IMAGE) if Docker is running.
	mkdir -p dist
	go run ./tools/image -tag $(SHEPHERD_IMAGE) -tarball dist/shepherd.tar
	@if docker info >/dev/null 2>&1; then docker load --quiet --input dist/shepherd.tar; else echo "Docker is not running: dist/shepherd.tar is not loaded"; fi

package: $(BIN)/.helm-$(HELM_VERSION) ## Package the chart, with the profiles, into dist/.
	scripts/package.sh dist

publish: package ## Push the shepherd image and the chart to an OCI registry: OCI_REGISTRY=registry.example.org/charts.
	scripts/publish.sh "$(OCI_REGISTRY)"

##@ Release

VERSION ?=
.PHONY: release-artifacts changelog-section registry-login
release-artifacts: $(BIN)/.helm-$(HELM_VERSION) ## Build the archives of a release into dist/release. VERSION=v1.2.3 must be the version of the chart.
	scripts/release.sh "$(VERSION)"

changelog-section: ## Print the section of CHANGELOG.md for a release: VERSION=v1.2.3.
	@scripts/changelog.sh "$(VERSION)"

registry-login: ## Log in to OCI_REGISTRY with the environment variables REGISTRY_USER and REGISTRY_PASSWORD.
	@printf '%s' "$${REGISTRY_PASSWORD:?}" | docker login --username "$${REGISTRY_USER:?}" --password-stdin "$${OCI_REGISTRY:?}"

##@ Test

.PHONY: test test-unit test-render test-controlplane test-compose test-e2e
TESTS_OF_GO := test render controlplane $(if $(PACKAGES),,envtest)
gotestsum := $(BIN)/.gotestsum-$(GOTESTSUM_VERSION)
helm := $(BIN)/.helm-$(HELM_VERSION)

test: $(gotestsum) $(if $(PACKAGES),,$(helm) $(BIN)/helm4) ## Run all tests that need only Go. The first time compiles Kubernetes.
	@failed=0; rm -f $(foreach name,$(TESTS_OF_GO),$(RESULTS)/$(name).json $(RESULTS)/$(name).exit); \
	for suite in unit render controlplane; do $(MAKE) --no-print-directory test-$$suite SUMMARY=: || failed=1; done; \
	go run ./tools/summary $(TOGETHER) $(TESTS_OF_GO:%=$(RESULTS)/%.json) || failed=1; \
	echo "not run, because they need Docker: make test-compose test-e2e"; \
	exit $$failed

test-unit: $(gotestsum) $(if $(PACKAGES),,$(helm)) ## Run the unit tests (RUN=pattern, RACE=1, QDRANT_BIN=/path/to/qdrant to include the tests on real servers).
	@packages="$(or $(PACKAGES),$$(go list ./... ./client/... | grep -v /tests/render))"; \
	$(call gotest,test,$(race) -timeout 60m -run '$(RUN)' $$packages,$(if $(race),CGO_ENABLED=1)); \
	$(SUMMARY) $(RESULTS)/test.json

# No race detector: rendering has no concurrency, and would be ten times slower.
test-render: $(gotestsum) ## Run the render tests of the chart (RUN=pattern).
	@$(call gotest,render,-timeout 60m -run '$(RUN)' $(or $(PACKAGES),./tests/render/...),); \
	$(SUMMARY) $(RESULTS)/render.json

# The nested module is compiled as internal/local/controlplane does it; otherwise all of Kubernetes would be compiled
# again.
test-controlplane: $(gotestsum) $(if $(PACKAGES),,$(helm) $(BIN)/helm4) ## Test the chart with a real Kubernetes control plane, without Docker (RUN=pattern).
	@$(if $(PACKAGES),,assets=$$(go run ./tools/localkube); \
	(cd tools/kubernetes && export KUBEBUILDER_ASSETS=$$assets GOWORK=off && $(call gotest,envtest,-timeout 60m -run '$(RUN)' .,)) & envtest=$$!;) \
	$(call gotest,controlplane,-tags controlplane -ldflags=-w -p 4 -parallel 24 -timeout 60m -run '$(RUN)' $(or $(PACKAGES),./internal/local/... ./tests/controlplane/... ./tests/up/...),); \
	$(if $(PACKAGES),,wait $$envtest;) \
	$(SUMMARY) $(TOGETHER) $(RESULTS)/controlplane.json $(if $(PACKAGES),,$(RESULTS)/envtest.json)

test-compose: $(gotestsum) ## Test the compose stack (RUN=pattern). Needs Docker.
	@$(call gotest,compose,-tags compose -timeout 20m -run '$(RUN)' $(or $(PACKAGES),./tests/compose/...),); \
	$(SUMMARY) $(RESULTS)/compose.json

# One test run for each suite, with its name in E2E_SUITE. With RUN or PACKAGES there is one run, named SUITE or "all".
named := $(if $(PACKAGES)$(filter-out .,$(RUN)),yes)
asked := $(subst $(comma), ,$(SUITE))
# The results of a second run would replace those of the first.
$(if $(filter-out $(words $(sort $(asked))),$(words $(asked))),$(error a suite is named twice in SUITE=$(SUITE)))
test-e2e: $(if $(PACKAGES),$(gotestsum),tools image) ## Run the end-to-end suites on kind clusters (SUITE=core,scaling; all by default; RUN=pattern runs in the cluster of SUITE; FULL=1 searches 100,000 vectors; KEEP=1 keeps the cluster). Needs Docker.
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
bench: ## Run the benchmark for half an hour and write docs/benchmark.md. ARGS="--tier quick" writes to artifacts/bench only. Needs QDRANT_BIN or Docker.
	scripts/bench.sh --profile default,development,production --against all --out artifacts/bench $(or $(ARGS),--docs docs)

FUZZTIME ?= 60s
.PHONY: fuzz images qdrant-binary e2e-matrix
fuzz: ## Run each fuzz target for FUZZTIME.
	scripts/fuzz.sh "$(FUZZTIME)"

images: ## Pull the images for the compose and e2e suites, including E2E_QDRANT_IMAGE if set. Needs Docker.
	scripts/images.sh

qdrant-binary: ## Copy the server from its image to bin/qdrant, for QDRANT_BIN. Needs Docker.
	scripts/qdrant-binary.sh $(BIN)/qdrant

e2e-matrix: ## Write the names of the e2e suites as an output of a GitHub workflow.
	@names=$$(go run ./tools/suites names | awk '{ printf "%s\"%s\"", separator, $$1; separator = "," }'); \
	printf 'names=[%s]\n' "$$names" >>"$${GITHUB_OUTPUT:-/dev/stdout}"

##@ Tools

# Compile all Go code with the same settings, so that tools, tests and `go run` share the build cache. Therefore neither
# -trimpath nor cgo (which only the race detector needs) is used. Linker flags can differ.
export CGO_ENABLED := 0

# $(call build,FILE,PACKAGE,LINKER FLAGS) builds a tool and reports the time.
define build
@echo "building $(notdir $(1)); the first time takes several minutes"; began=$$SECONDS; mkdir -p $(BIN); \
go build -ldflags "-s -w $(3)" -o $(1) $(2); echo "built $(notdir $(1)) in $$((SECONDS - began)) s"
endef

minor := $(lastword $(subst ., ,$(KUBERNETES_VERSION)))

$(BIN)/.helm-$(HELM_VERSION):
	# Set the versions that are set in a release of Helm. Without them, Helm assumes Kubernetes 1.20.
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

# The module contains one file for each vulnerability. govulncheck needs an index of modules to read them.
$(VULNDB)/index/db.json:
	rm -rf $(BIN)/vulndb-*
	GOBIN=$(BIN) go install -ldflags "-s -w" golang.org/x/vulndb/cmd/indexdb@$(VULNDB_VERSION)
	indexdb -vulns "$$(go mod download -json golang.org/x/vulndb@$(VULNDB_VERSION) | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')/data/osv" -out $(VULNDB)

# Its version is in go.mod, so it is rebuilt when that changes.
$(BIN)/kubectl: tools/kubectl/main.go go.mod
	$(call build,$@,./tools/kubectl,)

# Its version is in go.mod too. Unlike Helm 3, it uses the Kubernetes version of the client-go module that it is built
# with.
$(BIN)/helm4: go.mod
	$(call build,$@,helm.sh/helm/v4/cmd/helm,-X helm.sh/helm/v4/internal/version.version=$(call version_of,helm.sh/helm/v4))

# It has many dependencies and only `make lint` needs it, so it is not a tool of go.mod.
$(BIN)/.golangci-lint-$(GOLANGCI_LINT_VERSION):
	@echo "building golangci-lint; the first time takes several minutes"
	GOBIN=$(BIN) go install -ldflags "-s -w" github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	@touch $@
