# Whole trainings share training.c.
foreach(name test_amp test_resume test_taylor test_teacher test_trainer)
  if(TARGET ${name})
    target_sources(${name} PRIVATE ${CMAKE_CURRENT_LIST_DIR}/training.c)
    target_include_directories(${name} PRIVATE ${CMAKE_CURRENT_LIST_DIR})
  endif()
endforeach()
