set_property(TEST io.test_file APPEND PROPERTY LABELS threads)
target_link_options(test_no_memory PRIVATE
  -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc)
