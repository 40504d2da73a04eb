# proto/onnx.proto becomes "onnx.pb-c.h" and its code, as in io: the readers and the writer include it.
set(generated ${CMAKE_CURRENT_BINARY_DIR}/proto)
file(MAKE_DIRECTORY ${generated})
set(proto ${CMAKE_CURRENT_SOURCE_DIR}/onnx/proto/onnx.proto)
add_custom_command(
  OUTPUT ${generated}/onnx.pb-c.c ${generated}/onnx.pb-c.h
  COMMAND ${PROTOC_C} --proto_path=${CMAKE_CURRENT_SOURCE_DIR}/onnx/proto --c_out=${generated} ${proto}
  DEPENDS ${proto} VERBATIM)
target_sources(bpnet_onnx PRIVATE ${generated}/onnx.pb-c.c ${generated}/onnx.pb-c.h)
set_source_files_properties(${generated}/onnx.pb-c.c PROPERTIES COMPILE_OPTIONS -w)
target_include_directories(bpnet_onnx PRIVATE ${generated})
