# Against ONNX Runtime and OpenVINO, where Python has them; skipped, and said so, where not.
add_executable(make-onnx-samples ${CMAKE_CURRENT_SOURCE_DIR}/onnx/make_samples.c)
target_include_directories(make-onnx-samples PRIVATE ${CMAKE_CURRENT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR}/nn)
target_link_libraries(make-onnx-samples PRIVATE bpnet_onnx bpnet_prune)
add_executable(make-onnx-bytes ${CMAKE_CURRENT_SOURCE_DIR}/onnx/make_bytes.c)
target_include_directories(make-onnx-bytes PRIVATE ${CMAKE_CURRENT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR}/nn)
target_link_libraries(make-onnx-bytes PRIVATE bpnet_deploy PkgConfig::CMOCKA)
find_package(Python3 COMPONENTS Interpreter)
if(Python3_FOUND)
  add_test(NAME onnx.compare COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/oracle/onnx-compare
           $<TARGET_FILE:make-onnx-samples> ${PROJECT_SOURCE_DIR}/models/bpnet-light.bpnet)
  add_test(NAME onnx.compare_bytes COMMAND ${Python3_EXECUTABLE}
           ${CMAKE_CURRENT_SOURCE_DIR}/oracle/onnx-compare $<TARGET_FILE:make-onnx-bytes>)
  set_tests_properties(onnx.compare onnx.compare_bytes PROPERTIES LABELS "onnx;oracle" TIMEOUT 300 SKIP_RETURN_CODE 77)
endif()
# It reads the messages themselves.
target_include_directories(test_export PRIVATE $<TARGET_PROPERTY:bpnet_onnx,INCLUDE_DIRECTORIES>)
target_include_directories(test_import PRIVATE ${CMAKE_CURRENT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR}/nn)
# By hand: the AP of an exported file in another runtime; see the comment in its source.
add_executable(evaluate-by ${CMAKE_CURRENT_SOURCE_DIR}/oracle/evaluate_by.c)
target_link_libraries(evaluate-by PRIVATE bpnet_eval)
