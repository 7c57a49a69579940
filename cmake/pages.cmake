# What the program says about itself, made by the program when it is built: manual pages and scripts for the completion of
# shells. Not when it is built for another machine and cannot run here.
#
# SPDX-License-Identifier: Apache-2.0
if(NOT TARGET lycoris_program OR CMAKE_CROSSCOMPILING)
  return()
endif()
set(pages_dir ${CMAKE_BINARY_DIR}/pages)
file(MAKE_DIRECTORY ${pages_dir})

# lycoris_page(FILE ARGUMENT...): pages/FILE is what `lycoris ARGUMENT...` prints.
set(pages "")
function(lycoris_page file)
  add_custom_command(OUTPUT ${pages_dir}/${file} COMMAND $<TARGET_FILE:lycoris_program> ${ARGN} > ${pages_dir}/${file}
                     DEPENDS lycoris_program COMMENT "pages/${file}")
  set(pages ${pages} ${pages_dir}/${file} PARENT_SCOPE)
endfunction()

set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/cli/list.def)
file(STRINGS src/cli/list.def commands REGEX "^LYC_COMMAND\\(")
lycoris_page(lycoris.1 help --man)
foreach(line IN LISTS commands)
  string(REGEX REPLACE "^LYC_COMMAND\\(([a-z0-9_]+)\\).*" "\\1" command "${line}")
  string(REPLACE "_" "-" command ${command})
  lycoris_page(lycoris-${command}.1 help --man ${command})
endforeach()
foreach(shell bash zsh fish)
  lycoris_page(completion.${shell} completion ${shell})
endforeach()
add_custom_target(lycoris_pages ALL DEPENDS ${pages})

install(DIRECTORY ${pages_dir}/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 FILES_MATCHING PATTERN "*.1")
install(FILES ${pages_dir}/completion.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME lycoris)
install(FILES ${pages_dir}/completion.zsh DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions RENAME _lycoris)
install(FILES ${pages_dir}/completion.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d
        RENAME lycoris.fish)
