#!/bin/sh
# setup.sh [FOLDER] - a virtual environment with the peers that the scripts here compare with (default .peers)
#
# SPDX-License-Identifier: Apache-2.0
set -eu
folder=${1:-.peers}
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet torch==2.15.0 numpy safetensors
echo "$folder/bin/python"
