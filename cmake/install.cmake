# What `make install` puts where: program, libraries, headers, pkg-config files, CMake package, manual pages, completion.
#
# SPDX-License-Identifier: Apache-2.0
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/lycoris)

install(TARGETS lycoris EXPORT lycoris-targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/lycoris DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
set_target_properties(lycoris PROPERTIES EXPORT_NAME lycoris)
if(TARGET lycoris_diffusion)
  install(TARGETS lycoris_diffusion EXPORT lycoris-targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  set_target_properties(lycoris_diffusion PROPERTIES EXPORT_NAME diffusion)
endif()
install(EXPORT lycoris-targets NAMESPACE lycoris:: DESTINATION ${package_dir})
write_basic_package_version_file(lycorisConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES cmake/lycorisConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/lycorisConfigVersion.cmake DESTINATION ${package_dir})

# The prefix in the pkg-config file follows the file: an installed tree can be moved.
file(RELATIVE_PATH pc_to_prefix /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(cmake/lycoris.pc.in lycoris.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/lycoris.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
if(TARGET lycoris_diffusion)
  configure_file(cmake/lycoris-diffusion.pc.in lycoris-diffusion.pc @ONLY)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/lycoris-diffusion.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endif()

install(FILES LICENSE NOTICE README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
if(TARGET lycoris_program)
  install(TARGETS lycoris_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
