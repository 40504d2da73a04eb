# libbpnet: the runtime layers behind one header, shared and static. Symbols that are not bpnet_…
# stay inside: hidden in the shared library, made local in the static one, which is one object.
if(BPNET_IMAGES)
  target_compile_definitions(bpnet_lib PRIVATE BPNET_IMAGES)
  set(BPNET_PC_REQUIRES "libjpeg libpng")
endif()

# Sealed files are for the program: in every build the library comes with the stand-in, which says
# so, and not with libsodium. Objects come before what the linker finds in archives.
add_library(bpnet_seal_none OBJECT io/seal_none.c)
target_include_directories(bpnet_seal_none PRIVATE ${CMAKE_CURRENT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
add_library(bpnet_shared SHARED $<TARGET_OBJECTS:bpnet_seal_none>)
target_link_libraries(bpnet_shared PRIVATE
  -Wl,--as-needed -Wl,--whole-archive bpnet_lib -Wl,--no-whole-archive)
target_include_directories(bpnet_shared INTERFACE ${PROJECT_SOURCE_DIR}/include)
set_target_properties(bpnet_shared PROPERTIES
  OUTPUT_NAME bpnet VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
  LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})

if(NOT BPNET_SANITIZE)
  set(archive ${PROJECT_BINARY_DIR}/libbpnet.a)
  set(layers bpnet_engine bpnet_pose bpnet_kernel bpnet_io bpnet_base)
  foreach(layer ${layers})
    list(APPEND archives $<TARGET_FILE:${layer}>)
  endforeach()
  add_custom_command(
    OUTPUT ${archive}
    COMMAND ${CMAKE_C_COMPILER} -r -nostdlib -o libbpnet.o
            $<TARGET_OBJECTS:bpnet_seal_none>
            -Wl,--whole-archive $<TARGET_FILE:bpnet_lib> -Wl,--no-whole-archive
            -Wl,--start-group ${archives} -Wl,--end-group
    COMMAND ${CMAKE_OBJCOPY} --localize-hidden libbpnet.o
    COMMAND ${CMAKE_COMMAND} -E rm -f ${archive}
    COMMAND ${CMAKE_AR} rcs ${archive} libbpnet.o
    DEPENDS bpnet_lib bpnet_seal_none ${layers} COMMAND_EXPAND_LISTS VERBATIM)
  add_custom_target(bpnet_static ALL DEPENDS ${archive})
  install(FILES ${archive} DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()

file(RELATIVE_PATH BPNET_PC_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(${CMAKE_CURRENT_SOURCE_DIR}/lib/bpnet.pc.in ${PROJECT_BINARY_DIR}/bpnet.pc @ONLY)
install(TARGETS bpnet_shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${PROJECT_SOURCE_DIR}/include/bpnet.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${PROJECT_BINARY_DIR}/bpnet.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
