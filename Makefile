# The front door: each target does all that it needs, on a bare Debian 12 too. CMake does the building.
#
# SPDX-License-Identifier: Apache-2.0

PREFIX ?= /usr/local
DESTDIR ?=
SECONDS ?= 30
DIR ?= tests/conformance
KIND ?=

.PHONY: all help deps check demo bench conformance fuzz coverage tsan lint format install uninstall clean

all: deps ## build the libraries and the program (build/release)
	@sh scripts/build.sh release

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

deps: ## install the Debian packages that are missing (as root, or with sudo)
	@sh scripts/deps.sh build

check: ## build and run every test, also under sanitizers
	@sh scripts/deps.sh build test
	@sh scripts/check.sh

lint: ## formatting and static analysis
	@sh scripts/deps.sh build test lint
	@sh scripts/lint.sh

format: ## let clang-format write the layout of every C file
	@sh scripts/deps.sh format
	@git ls-files '*.c' '*.h' '*.cpp' | xargs clang-format -i

clean: ## remove build/
	@rm -rf build
