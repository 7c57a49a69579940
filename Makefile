# The front door: each target does all that it needs, on a bare Debian 12 too. CMake does the building.
#
# SPDX-License-Identifier: Apache-2.0

PREFIX ?= /usr/local
DESTDIR ?=
SECONDS ?= 30
DIR ?= tests/conformance
KIND ?=
BENCH ?=

.PHONY: all help deps check demo base-model bench conformance fuzz coverage tsan lint format install uninstall clean

all: deps ## build the libraries and the program (build/release)
	@sh scripts/build.sh release

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

deps: ## install the Debian packages that are missing (as root, or with sudo)
	@sh scripts/deps.sh build

check: ## run every test, as released and under sanitizers
	@sh scripts/deps.sh build
	@sh scripts/check.sh

demo: all ## show the program at work on a shipped file
	@build/release/lycoris inspect --meta --stats --key '*attn1_to_q*' examples/adapter/adapter.safetensors

conformance: ## DIR=folder KIND=k: run the cases of cases.json files below a folder
	@sh scripts/deps.sh build
	@sh scripts/build.sh release conformance
	@build/release/tests/conformance '$(DIR)' $(KIND)

base-model: ## make the small model of models/emoji again, from the packages (hours)
	@sh scripts/deps.sh build model
	@sh scripts/build.sh release
	@sh models/emoji/make.sh build/release build/emoji

bench: ## BENCH='options of bench_ops': time every operation of SD 1.5
	@sh scripts/deps.sh build
	@sh scripts/build.sh release bench_ops
	@build/release/bench/bench_ops $(BENCH)

fuzz: ## SECONDS=30: run each fuzz target for that long
	@sh scripts/deps.sh build fuzz
	@sh scripts/fuzz.sh '$(SECONDS)'

coverage: ## lines and branches that the tests reach, by room
	@sh scripts/deps.sh build
	@sh scripts/coverage.sh

tsan: ## run the tests under the thread sanitizer
	@sh scripts/deps.sh build
	@sh scripts/build.sh tsan
	@ctest --preset tsan -j 2

lint: ## formatting and static analysis
	@sh scripts/deps.sh build lint
	@sh scripts/lint.sh

format: ## let clang-format write the layout of every C file
	@sh scripts/deps.sh format
	@find src include tests bench examples -name '*.[ch]' | grep -v '^tests/lint/seeded/' | xargs clang-format -i

install: all ## PREFIX=/usr/local DESTDIR=: program, libraries, headers, manual pages, completion
	@DESTDIR='$(DESTDIR)' cmake --install build/release --prefix '$(PREFIX)' >build/install.log || { cat build/install.log; exit 1; }
	@cp build/release/install_manifest.txt build/installed.txt
	@if [ -z '$(DESTDIR)' ] && [ "$$(id -u)" -eq 0 ]; then ldconfig; fi
	@echo 'installed below $(DESTDIR)$(PREFIX) (list: build/installed.txt)'

uninstall: ## remove what the last make install put there
	@sed 's|^|$(DESTDIR)|' build/installed.txt | xargs -d '\n' rm -f --
	@rm -f build/installed.txt

clean: ## remove build/
	@rm -rf build
