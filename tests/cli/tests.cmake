# Every tests/cli/<case>.sh is a transcript: what the program prints must be <case>.out.
add_executable(make-sticks ${CMAKE_CURRENT_SOURCE_DIR}/cli/make_sticks.c)
target_link_libraries(make-sticks PRIVATE stickfigure)
file(GLOB cases CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/cli/*.sh)
foreach(case ${cases})
  get_filename_component(name ${case} NAME_WE)
  add_test(NAME cli.${name} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/cli/run-case $<TARGET_FILE:bpnet> ${case})
  set_tests_properties(cli.${name} PROPERTIES LABELS cli TIMEOUT 300
                       ENVIRONMENT MAKE_STICKS=$<TARGET_FILE:make-sticks>)
endforeach()
