target_link_options(test_spec_no_memory PRIVATE -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc)
