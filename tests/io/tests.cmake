set_property(TEST io.test_file APPEND PROPERTY LABELS threads)
target_link_options(test_no_memory PRIVATE
  -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc)
# Its own seal_none.c comes before the library's seal.c, as in the runtime.
target_sources(test_seal_none PRIVATE ${PROJECT_SOURCE_DIR}/src/io/seal_none.c)
