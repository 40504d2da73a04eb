# bench_decode: built when asked for (ninja bench_decode), run by hand.
add_executable(bench_decode EXCLUDE_FROM_ALL ${PROJECT_SOURCE_DIR}/bench/decode.c)
target_include_directories(bench_decode PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(bench_decode PRIVATE bpnet_pose)
