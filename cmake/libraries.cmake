# Libraries of others, as two interface targets: lycoris_core_needs and lycoris_diffusion_needs.
#
# The core library may need libc, libm, OpenMP, LAPACK/BLAS, jansson and PCRE2, and nothing else: tests/lint/needed.sh
# looks at the result. What a room does not use is not linked (--as-needed).
#
# SPDX-License-Identifier: Apache-2.0
find_package(PkgConfig REQUIRED)
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

add_library(lycoris_core_needs INTERFACE)
pkg_check_modules(jansson REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(pcre2 REQUIRED IMPORTED_TARGET libpcre2-8)
find_package(LAPACK REQUIRED)
find_path(LAPACKE_INCLUDE_DIR lapacke.h PATH_SUFFIXES lapacke openblas REQUIRED)
find_library(LAPACKE_LIBRARY lapacke REQUIRED)
target_include_directories(lycoris_core_needs INTERFACE ${LAPACKE_INCLUDE_DIR})
target_link_libraries(lycoris_core_needs INTERFACE PkgConfig::jansson PkgConfig::pcre2 ${LAPACKE_LIBRARY} LAPACK::LAPACK Threads::Threads m)
if(LYCORIS_OPENMP)
  find_package(OpenMP REQUIRED COMPONENTS C)
  target_link_libraries(lycoris_core_needs INTERFACE OpenMP::OpenMP_C)
endif()

add_library(lycoris_diffusion_needs INTERFACE)
if(LYCORIS_DIFFUSION)
  # Not by its CMake package, which differs between 2.x and 3.x and asks for OpenCL on the way.
  find_path(DNNL_INCLUDE_DIR oneapi/dnnl/dnnl.h REQUIRED)
  find_library(DNNL_LIBRARY dnnl REQUIRED)
  target_include_directories(lycoris_diffusion_needs SYSTEM INTERFACE ${DNNL_INCLUDE_DIR})
  pkg_check_modules(vips REQUIRED IMPORTED_TARGET vips>=8.13)
  pkg_check_modules(utf8proc REQUIRED IMPORTED_TARGET libutf8proc)
  target_link_libraries(lycoris_diffusion_needs INTERFACE ${DNNL_LIBRARY} PkgConfig::vips PkgConfig::utf8proc lycoris_core_needs)
endif()
