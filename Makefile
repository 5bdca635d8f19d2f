# Everything a person runs by hand. `make` alone tells what there is.

CARGO ?= cargo
RELEASE := $(or $(CARGO_TARGET_DIR),target)/release
DEBUG := $(or $(CARGO_TARGET_DIR),target)/debug
LAUNCHER := $(RELEASE)/pimpernel-launcher
OPERATOR := $(RELEASE)/pimpernel-operator

# Wherever the sources and those of the crates lie, the same become the same bytes.
REMAPPED := --remap-path-prefix=$(CURDIR)=/pimpernel --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=/cargo
programs image bench: export RUSTFLAGS := $(RUSTFLAGS) $(REMAPPED)

.PHONY: help
help: ## tells what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: programs ## plays the quickstart and the stories against real control planes and stops them again
	@$(LAUNCHER) demo --operator $(OPERATOR) $(WALK)

.PHONY: up
up: programs ## starts a control plane with the operator, to be used by hand
	@$(LAUNCHER) up --operator $(OPERATOR)

.PHONY: down
down: $(LAUNCHER) ## stops what `make up` started
	@$(LAUNCHER) down

.PHONY: test
test: ## runs all checks and all tests, the last ones against a real control plane
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) test --no-default-features --locked
	$(CARGO) build --workspace --bins --locked
	@$(DEBUG)/pimpernel-launcher helms >/dev/null
	@$(DEBUG)/pimpernel-launcher promtool >/dev/null
	$(CARGO) test --workspace --locked

.PHONY: image
image: programs ## packs the operator into an image archive, which nodes and tools for registries read
	$(CARGO) build --release --locked --package pimpernel-image
	@SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct)} \
		$(RELEASE)/pimpernel-image --revision "$$(git rev-parse HEAD)" $(IMAGE) $(OPERATOR) $(RELEASE)/pimpernel-operator.tar
	@echo $(RELEASE)/pimpernel-operator.tar

.PHONY: manifest
manifest: programs ## writes one file with which kubectl installs everything; VALUES="--set replicas=3" as for Helm
	@$(LAUNCHER) manifest $(VALUES) >$(RELEASE)/install.yaml
	@echo $(RELEASE)/install.yaml

.PHONY: bench
bench: programs ## measures what the operator costs; BENCH="--employees 1000" for a quick look
	$(CARGO) build --release --locked --package pimpernel-bench
	@$(RELEASE)/pimpernel-bench --operator $(OPERATOR) $(BENCH)

.PHONY: generate
generate: ## writes the generated files anew
	$(CARGO) run --locked --package pimpernel-generate

# Only if it is missing: `make down` does not wait for a build.
$(LAUNCHER):
	@$(MAKE) programs

.PHONY: programs
programs:
	$(CARGO) build --release --locked --package pimpernel --package pimpernel-launcher --bins
