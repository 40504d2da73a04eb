# The inner loops over maps and pictures: worth the compiler's vector code.
set(loops resize.c average.c peaks_cells.c peaks_grid.c)
list(TRANSFORM loops PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/pose/)
set_source_files_properties(${loops} PROPERTIES COMPILE_OPTIONS "-O3")
