# The loader's own threads, under ThreadSanitizer too.
set_tests_properties(data.test_loader PROPERTIES LABELS "data;threads")
