find_package(JPEG REQUIRED)
find_package(PNG REQUIRED)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
target_link_libraries(bpnet_io PUBLIC PkgConfig::JANSSON JPEG::JPEG PNG::PNG)
