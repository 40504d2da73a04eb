target_link_libraries(bpnet_base PUBLIC Threads::Threads m)
