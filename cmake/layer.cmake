# heddle_layer(name DEPS ... LIBRARIES ...): one static library per folder, from all .cc files in and under it.
function(heddle_layer name)
  cmake_parse_arguments(LAYER "" "" "DEPS;LIBRARIES" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  add_library(heddle_${name} STATIC ${sources})
  target_include_directories(heddle_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR})
  list(TRANSFORM LAYER_DEPS PREPEND heddle_)
  target_link_libraries(heddle_${name} PUBLIC ${LAYER_DEPS} PRIVATE fmt::fmt ${LAYER_LIBRARIES})
endfunction()
