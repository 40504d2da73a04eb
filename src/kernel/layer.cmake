# Kernels are worth the compiler's full effort; each level's files get that level's instructions,
# and nothing but kernels is compiled with them.
file(GLOB plain_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/kernel/ref/*.c
                                          ${CMAKE_CURRENT_SOURCE_DIR}/kernel/conv_*.c
                                          ${CMAKE_CURRENT_SOURCE_DIR}/kernel/dot*.c
                                          ${CMAKE_CURRENT_SOURCE_DIR}/kernel/dwconv*.c
                                          ${CMAKE_CURRENT_SOURCE_DIR}/kernel/fourier*.c
                                          ${CMAKE_CURRENT_SOURCE_DIR}/kernel/winograd*.c)
set_source_files_properties(${plain_sources} PROPERTIES COMPILE_OPTIONS "-O3")
file(GLOB avx2_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/kernel/x86/*_avx2.c)
file(GLOB avx512_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/kernel/x86/*_avx512.c)
file(GLOB avxvnni_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/kernel/x86/*_avxvnni.c)
file(GLOB vnni_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/kernel/x86/*_avx512vnni.c)
file(GLOB bf16_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/kernel/x86/*_avx512bf16.c)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(avx2 -O3 -mavx2 -mfma -mf16c)
  set(avx512 ${avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512cd)
  set_source_files_properties(${avx2_sources} PROPERTIES COMPILE_OPTIONS "${avx2}")
  set_source_files_properties(${avxvnni_sources} PROPERTIES COMPILE_OPTIONS "${avx2};-mavxvnni")
  set_source_files_properties(${avx512_sources} PROPERTIES COMPILE_OPTIONS "${avx512}")
  set_source_files_properties(${vnni_sources} PROPERTIES COMPILE_OPTIONS "${avx512};-mavx512vnni")
  set_source_files_properties(${bf16_sources} PROPERTIES COMPILE_OPTIONS
                              "${avx512};-mavx512vnni;-mavx512bf16")
else()  # other processors have the plain level
  set_source_files_properties(${avx2_sources} ${avxvnni_sources} ${avx512_sources} ${vnni_sources}
                              ${bf16_sources} PROPERTIES HEADER_FILE_ONLY ON)
endif()
