pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
target_link_libraries(bpnet_spec PUBLIC PkgConfig::YAML)
