# find_package(lycoris): the targets lycoris::lycoris and, where it was built, lycoris::diffusion.
#
# SPDX-License-Identifier: Apache-2.0
include(${CMAKE_CURRENT_LIST_DIR}/lycoris-targets.cmake)
