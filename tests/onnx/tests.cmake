# Against ONNX Runtime and OpenVINO, where Python has them; skipped, and said so, where not.
add_executable(make-onnx-samples ${CMAKE_CURRENT_SOURCE_DIR}/onnx/make_samples.c)
target_include_directories(make-onnx-samples PRIVATE ${CMAKE_CURRENT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR}/nn)
target_link_libraries(make-onnx-samples PRIVATE bpnet_onnx)
find_package(Python3 COMPONENTS Interpreter)
if(Python3_FOUND)
  add_test(NAME onnx.compare COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/oracle/onnx-compare
           $<TARGET_FILE:make-onnx-samples> ${PROJECT_SOURCE_DIR}/models/bpnet-light.bpnet)
  set_tests_properties(onnx.compare PROPERTIES LABELS "onnx;oracle" TIMEOUT 300 SKIP_RETURN_CODE 77)
endif()
# It reads the messages themselves.
target_include_directories(test_export PRIVATE $<TARGET_PROPERTY:bpnet_onnx,INCLUDE_DIRECTORIES>)
target_include_directories(test_import PRIVATE ${CMAKE_CURRENT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR}/nn)
