# What a shared library shows: the functions marked LYC_API in include/lycoris, under the version LYCORIS_0.
#
# liblycoris-diffusion is built from rooms that use the insides of liblycoris. Where both are built, the insides are
# visible to it under the version LYCORIS_PRIVATE, which nobody else may use (as glibc does with GLIBC_PRIVATE); their
# headers are not installed. The second library hides its own insides from everybody. tests/abi holds the list of public
# symbols, and a test compares.
#
# SPDX-License-Identifier: Apache-2.0
if(LYCORIS_DIFFUSION)
  set(core_visibility -fvisibility=protected) # seen by the other library, yet calls inside are direct
else()
  set(core_visibility -fvisibility=hidden)
endif()

# The names of all functions marked LYC_API.
function(lycoris_public_symbols out)
  file(GLOB headers CONFIGURE_DEPENDS include/lycoris/*.h)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${headers})
  set(names "")
  foreach(header IN LISTS headers)
    file(READ ${header} text)
    string(REGEX MATCHALL "LYC_API[^;(]*[ *]lyc_[a-z0-9_]+\\(" declarations "${text}")
    foreach(declaration IN LISTS declarations)
      string(REGEX REPLACE ".*[ *](lyc_[a-z0-9_]+)\\($" "\\1" name "${declaration}")
      list(APPEND names ${name})
    endforeach()
  endforeach()
  list(SORT names)
  set(${out} ${names} PARENT_SCOPE)
endfunction()

# The version script; its names may belong to the other library, which ld allows.
function(lycoris_version_script path)
  lycoris_public_symbols(names)
  list(JOIN names ";\n    " lines)
  set(script "LYCORIS_0 {\n  global:\n    ${lines};\n")
  if(LYCORIS_DIFFUSION)
    string(APPEND script "};\nLYCORIS_PRIVATE {\n  global:\n    lyc_*;\n")
  endif()
  string(APPEND script "  local:\n    *;\n};\n")
  file(CONFIGURE OUTPUT ${path} CONTENT "${script}" @ONLY)
endfunction()

# Name, version, exports and place of a shared library.
function(lycoris_shared_library target name)
  string(REGEX REPLACE "^lib" "" output ${name})
  set(script ${CMAKE_BINARY_DIR}/${name}.map)
  lycoris_version_script(${script})
  set_target_properties(${target} PROPERTIES OUTPUT_NAME ${output} VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR} LINK_DEPENDS ${script} INSTALL_RPATH "$ORIGIN")
  target_link_options(${target} PRIVATE -Wl,--version-script=${script})
  if(NOT LYCORIS_SANITIZE) # clang keeps the sanitizer's functions in the program
    target_link_options(${target} PRIVATE -Wl,--no-undefined)
  endif()
endfunction()
