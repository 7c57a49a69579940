#!/bin/sh
# formats.sh BUILD_DIR [PYTHON] - the table of `lycoris formats` against LyCORIS, PEFT and diffusers.
#
# PYTHON has these packages; without it they are installed in BUILD_DIR/peers first, as by adapter_files.sh.
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
cmake --build "$build" --target lycoris >/dev/null
"$python" "$here/formats.py" "$build/lycoris" "$build/liblycoris.so" 2>/dev/null
