#!/bin/sh
# adapter_files.sh BUILD_DIR [PYTHON] - adapter files of this program, loaded by LyCORIS, PEFT and diffusers.
#
# PYTHON has these packages; without it they are installed in BUILD_DIR/peers first (some GB, from the network).
#
# SPDX-License-Identifier: Apache-2.0
set -eu
build=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
python=${2:-$build/peers/bin/python}
if [ ! -x "$python" ]; then
    python3 -m venv "$build/peers"
    "$build/peers/bin/pip" install -q torch --index-url https://download.pytorch.org/whl/cpu
    "$build/peers/bin/pip" install -q lycoris-lora peft diffusers transformers safetensors
fi
cmake --build "$build" --target peer_write_adapters >/dev/null
"$python" "$here/adapter_files.py" "$build/tests/peer_write_adapters"
