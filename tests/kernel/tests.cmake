# One tool checks every kernel; ctest runs it once per level, and a level that this machine does not
# have is reported as skipped.
file(GLOB check_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/kernel/check*.c
                                          ${CMAKE_CURRENT_SOURCE_DIR}/kernel/ceiling.c)
add_executable(kernel-check ${check_sources})
target_compile_options(kernel-check PRIVATE -O2)  # slow sums in double, and the machine's own speed
target_include_directories(kernel-check PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/kernel)
target_link_libraries(kernel-check PRIVATE bpnet_kernel)
foreach(level ref avx2 avx512 avx512vnni avx512bf16)
  add_test(NAME kernel.check-${level} COMMAND kernel-check --level ${level})
  set_tests_properties(kernel.check-${level} PROPERTIES LABELS kernel TIMEOUT 300 SKIP_RETURN_CODE 77)
endforeach()
# Needs more than its level says.
add_test(NAME kernel.check-avxvnni COMMAND kernel-check --level avx2 --family q8 --kernel u8_dot_avxvnni)
add_test(NAME kernel.check-avxvnni-whole
         COMMAND kernel-check --level avx2 --family whole --kernel s16_winograd_avxvnni)
set_tests_properties(kernel.check-avxvnni kernel.check-avxvnni-whole PROPERTIES LABELS kernel TIMEOUT 300 SKIP_RETURN_CODE 77)
