target_link_libraries(test_bpnet PRIVATE bpnet_deploy)
target_link_libraries(test_bpnet_memory PRIVATE bpnet_deploy)
target_link_options(test_bpnet_memory PRIVATE
  -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc,--wrap=mmap)
# What the libraries show and need, and the example against the shared one.
if(NOT BPNET_SANITIZE)
  add_executable(infer ${PROJECT_SOURCE_DIR}/examples/infer.c)
  target_link_libraries(infer PRIVATE bpnet_shared)
  add_test(NAME lib.symbols COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/lib/symbols
           $<TARGET_FILE:bpnet_shared> ${PROJECT_BINARY_DIR}/libbpnet.a)
  add_test(NAME lib.example COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/lib/example
           $<TARGET_FILE:bpnet> $<TARGET_FILE:infer> ${PROJECT_SOURCE_DIR})
  set_tests_properties(lib.symbols lib.example PROPERTIES LABELS lib TIMEOUT 120)
  # What a person gets: the installed program and library, and the runtime built on its own.
  add_test(NAME lib.install COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/lib/install
           ${CMAKE_COMMAND} ${PROJECT_BINARY_DIR} ${PROJECT_SOURCE_DIR} ${CMAKE_C_COMPILER})
  add_test(NAME lib.runtime COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/lib/runtime
           ${CMAKE_COMMAND} ${PROJECT_SOURCE_DIR} ${CMAKE_C_COMPILER})
  set_tests_properties(lib.install lib.runtime PROPERTIES LABELS lib TIMEOUT 900)
endif()
