find_package(JPEG REQUIRED)
find_package(PNG REQUIRED)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(PROTOBUF_C REQUIRED IMPORTED_TARGET libprotobuf-c)
find_program(PROTOC_C protoc-c REQUIRED)
# Sealing files is for the whole program; the runtime tells them apart and does without libsodium.
set(not_used ${CMAKE_CURRENT_SOURCE_DIR}/io/seal_none.c)
if(BPNET_RUNTIME_ONLY)
  set(not_used ${CMAKE_CURRENT_SOURCE_DIR}/io/seal.c)
else()
  pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium)
  target_link_libraries(bpnet_io PUBLIC PkgConfig::SODIUM)
endif()
get_target_property(sources bpnet_io SOURCES)
list(REMOVE_ITEM sources ${not_used})
set_target_properties(bpnet_io PROPERTIES SOURCES "${sources}")
target_link_libraries(bpnet_io PUBLIC PkgConfig::JANSSON JPEG::JPEG PNG::PNG PkgConfig::PROTOBUF_C)

# proto/<name>.proto becomes "<name>.pb-c.h" and its code, which is not ours to warn about.
set(generated ${CMAKE_CURRENT_BINARY_DIR}/proto)
file(MAKE_DIRECTORY ${generated})
foreach(name example event)
  set(proto ${CMAKE_CURRENT_SOURCE_DIR}/io/proto/${name}.proto)
  add_custom_command(
    OUTPUT ${generated}/${name}.pb-c.c ${generated}/${name}.pb-c.h
    COMMAND ${PROTOC_C} --proto_path=${CMAKE_CURRENT_SOURCE_DIR}/io/proto --c_out=${generated} ${proto}
    DEPENDS ${proto} VERBATIM)
  target_sources(bpnet_io PRIVATE ${generated}/${name}.pb-c.c ${generated}/${name}.pb-c.h)
  set_source_files_properties(${generated}/${name}.pb-c.c PROPERTIES COMPILE_OPTIONS -w)
endforeach()
target_include_directories(bpnet_io PRIVATE ${generated})
