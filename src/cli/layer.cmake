# Where a build of the source tree finds the shipped model; an installed one looks beside itself.
target_compile_definitions(bpnet_cli PRIVATE BPNET_SOURCE_MODELS="${PROJECT_SOURCE_DIR}/models")
