#!/bin/sh
# trained.sh BUILD_DIR [PYTHON] - adapters that this program trains give the same pictures in diffusers with LyCORIS.
#
# PYTHON has these packages; adapter_files.sh says how to install them.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
build=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
exec "${2:-$build/peers/bin/python}" "$here/trained.py" "$build/lycoris" "$here/../conformance/models/tiny_sd15"
