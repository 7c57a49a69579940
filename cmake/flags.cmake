# How everything is compiled: the interface target lycoris_flags.
#
# SPDX-License-Identifier: Apache-2.0
add_library(lycoris_flags INTERFACE)
target_include_directories(lycoris_flags INTERFACE ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/src)
target_compile_options(lycoris_flags INTERFACE
  -Wall -Wextra -Wno-missing-field-initializers -Wshadow -Wdouble-promotion -Wvla -Wformat=2 -Wundef -Wpointer-arith -Wwrite-strings
  $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes -Wmissing-prototypes>
  # The same numbers on every architecture: products and sums are fused only in the kernels, where it is asked for.
  -ffp-contract=off -fno-math-errno)
if(LYCORIS_WERROR)
  target_compile_options(lycoris_flags INTERFACE -Werror)
endif()
if(NOT LYCORIS_OPENMP)
  target_compile_definitions(lycoris_flags INTERFACE LYC_THREAD_POOL)
  target_compile_options(lycoris_flags INTERFACE -fopenmp-simd)
endif()

# CMake's -O3 for everything only grows the code; the kernels ask for it themselves. A stack overflow or an overrun
# buffer in the release build ends the program instead of going on.
set(CMAKE_C_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
set(CMAKE_C_FLAGS_DEBUG "-O1 -g")
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g")
target_compile_options(lycoris_flags INTERFACE
  -fstack-protector-strong $<$<CONFIG:Release>:-U_FORTIFY_SOURCE> $<$<CONFIG:Release>:-D_FORTIFY_SOURCE=2>)
add_link_options(-Wl,--as-needed,-z,relro,-z,now,-z,noexecstack,--fatal-warnings)

if(LYCORIS_SANITIZE)
  target_compile_options(lycoris_flags INTERFACE -fsanitize=${LYCORIS_SANITIZE} -fno-sanitize-recover=all
                                                 -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${LYCORIS_SANITIZE})
endif()
if(LYCORIS_FUZZ)
  target_compile_options(lycoris_flags INTERFACE -fsanitize=fuzzer-no-link)
  add_link_options(-fsanitize=fuzzer-no-link)
endif()
