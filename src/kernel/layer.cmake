# Kernels are worth the compiler's full effort; each level's files get that level's instructions,
# and nothing but kernels is compiled with them.
file(GLOB ref_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/kernel/ref/*.c)
set_source_files_properties(${ref_sources} PROPERTIES COMPILE_OPTIONS "-O3")
